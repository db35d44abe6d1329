package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/health"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
)

// A supervisor asks healthy services ever less often, so that it takes a while until it knows that one has fallen ill. A start
// that finds an instance running sees for itself: it promises that the services answer.

const (
	// doubtPause is between two looks at services that do not answer.
	doubtPause = 500 * time.Millisecond
	// oneAnswer is how long a service may take for one.
	oneAnswer = 5 * time.Second
	// doubtPatience is how long a supervisor may take to notice.
	doubtPatience = 40 * time.Second
)

// see is nil when the services of a running instance answer as they should. Otherwise it waits until they do or until their
// supervisor knows, and restarts the instance if neither comes.
func (s *starter) see(ctx context.Context) error {
	ill := answers(ctx, s.now)
	if ill == nil {
		return nil
	}
	if s.healed {
		return s.path(ill)
	}
	s.screen.Line(view.Warn, s.files.Name+": it is running, but does not answer: "+ill.Error())
	limit, cancel := context.WithTimeout(ctx, doubtPatience)
	defer cancel()
	for {
		select {
		case <-time.After(doubtPause):
		case <-limit.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return s.heal(ctx)
		}
		now, err := s.client.Status(limit)
		if err != nil || !now.Healthy || answers(limit, now) == nil {
			return errAgain
		}
	}
}

// answers asks every service once.
func answers(ctx context.Context, now status.Status) error {
	ctx, cancel := context.WithTimeout(ctx, oneAnswer)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var group errgroup.Group
	for _, x := range now.Services {
		group.Go(func() error {
			if x.Health == "" { // of a supervisor that does not tell
				return nil
			}
			if got := health.Probe(ctx, client, x.Health, []int{http.StatusOK}); got.Err != nil {
				return errors.New(x.Name + ": " + got.Err.Error())
			}
			return nil
		})
	}
	return group.Wait()
}
