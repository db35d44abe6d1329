package ui

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/trace"
)

// frame is one line of what a page is told: one of its fields is set.
type frame struct {
	Instances []instance      `json:"instances,omitempty"` // all of them, as they are now
	Timeline  *trace.Timeline `json:"timeline,omitempty"`  // what is new of the one that is looked at
	Actors    []status.Actor  `json:"actors,omitempty"`    // its supervisor's, as they are now
	Log       string          `json:"log,omitempty"`       // the next lines of its log
}

// patience is how long a browser may take to read a frame.
const patience = 30 * time.Second

// live tells a page all that changes, until it is closed: of all instances how they are, and of the one that it looks at the
// timeline and one log. It is one answer, because a browser has few connections to one server.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	files, err := s.o.Home.Instance(query.Get("instance"))
	source := query.Get("log")
	if err != nil || !slices.Contains(sources, source) {
		refuse(w, http.StatusBadRequest, control.CodeRequest, "want instance=NAME and log=SOURCE")
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	frames := make(chan frame)
	tellers, ctx := errgroup.WithContext(r.Context())
	send := func(f frame) error {
		select {
		case frames <- f:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	tellers.Go(func() error { return s.instances(ctx, files, send) })
	tellers.Go(func() error { return timeline(ctx, files, send) })
	tellers.Go(func() error { return logLines(ctx, files, source, send) })
	tellers.Go(func() error { return write(ctx, w, frames) })
	_ = tellers.Wait() // the page is gone, or the server ends: there is nobody to tell
}

func write(ctx context.Context, w http.ResponseWriter, frames <-chan frame) error {
	lines, flusher := json.NewEncoder(w), http.NewResponseController(w)
	for {
		select {
		case f := <-frames:
			_ = flusher.SetWriteDeadline(time.Now().Add(patience))
			if err := lines.Encode(f); err != nil {
				return err
			}
			if err := flusher.Flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// glance is how often the message log is looked at.
const glance = 200 * time.Millisecond

func timeline(ctx context.Context, files home.Instance, send func(frame) error) error {
	log, err := trace.NewLive(files.MessagesLog)
	if err != nil {
		return send(frame{Log: "the message log cannot be read: " + err.Error() + "\n"})
	}
	defer log.Close()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		next, err := log.Next()
		if err != nil {
			return send(frame{Log: "the message log cannot be read: " + err.Error() + "\n"})
		}
		if next != nil {
			if err := send(frame{Timeline: next}); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
