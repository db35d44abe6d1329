// Package ready waits until the services of the stack answer.
package ready

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Marker is what the guest prints on its console, alone on a line, when all services answer (design.md, "The guest
// contract").
const Marker = "STACK_SERVICES_READY"

// The pause between two questions to one service grows from firstPause to maxPause: short at first, because this wait is
// part of every boot, longer then, because each question takes CPU from the start that it waits for.
const (
	firstPause = 150 * time.Millisecond
	maxPause   = 600 * time.Millisecond
)

// requestTimeout bounds one question. A service that answers later is not ready.
const requestTimeout = 5 * time.Second

// maxBody is how many bytes of an answer are read, for the connection to be used again.
const maxBody = 64 << 10

// Wait asks urls, one after the other, until each has answered 200. It fails when ctx ends, and then says what the
// service that was not ready had last answered.
func Wait(ctx context.Context, urls []string) error {
	client := &http.Client{
		Timeout:       requestTimeout,
		Transport:     &http.Transport{Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for _, url := range urls {
		if err := waitFor(ctx, client, url); err != nil {
			return fmt.Errorf("ready: %s: %w", url, err)
		}
	}
	return nil
}

func waitFor(ctx context.Context, client *http.Client, url string) error {
	pause := firstPause
	var last error
	for {
		err := ask(ctx, client, url)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), last)
		case <-time.After(pause):
			pause = min(pause*3/2, maxPause)
		}
	}
}

func ask(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", response.Status)
	}
	return nil
}
