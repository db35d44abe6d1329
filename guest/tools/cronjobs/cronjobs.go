// Package cronjobs calls the backend's periodic jobs.
//
// One timer for each job, with long intervals: between two calls nothing runs, because the guest idles on somebody's
// laptop all day. A call that fails is reported and left to the next time.
package cronjobs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Job is one endpoint of the backend.
type Job struct {
	Path  string
	First time.Duration // after the start; not at once, to stay out of the way of a boot
	Every time.Duration
}

// Jobs are the jobs of the reference backend.
var Jobs = []Job{
	{Path: "/api/v1/internal/cron/expire-sessions", First: 5 * time.Minute, Every: time.Hour},
	{Path: "/api/v1/internal/cron/expire-codes", First: 5 * time.Minute, Every: time.Hour},
	{Path: "/api/v1/internal/cron/expire-api-keys", First: 10 * time.Minute, Every: 6 * time.Hour},
}

// requestTimeout bounds one call.
const requestTimeout = time.Minute

// maxBody is how many bytes of an answer are read.
const maxBody = 64 << 10

// Caller knows the backend and the secret that it demands.
type Caller struct {
	BaseURL string
	Secret  string
	Log     io.Writer // one line for each call that failed
}

// Run calls jobs in their intervals until ctx ends.
func (c Caller) Run(ctx context.Context, jobs []Job) {
	var wait sync.WaitGroup
	var logLock sync.Mutex
	for _, job := range jobs {
		wait.Go(func() {
			timer := time.NewTimer(job.First)
			defer timer.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
				}
				if err := c.Call(ctx, job.Path); err != nil && ctx.Err() == nil {
					logLock.Lock()
					fmt.Fprintln(c.Log, err)
					logLock.Unlock()
				}
				timer.Reset(job.Every)
			}
		})
	}
	wait.Wait()
}

// Call makes one call.
func (c Caller) Call(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BaseURL+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("cron: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Secret)
	request.Close = true // the next call is an hour away
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("cron: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return fmt.Errorf("cron: %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("cron: %s: %s: %.200s", path, response.Status, body)
	}
	return nil
}
