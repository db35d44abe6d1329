package github

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	api "github.com/google/go-github/v75/github"

	"github.com/stackemu/stackemu/internal/download"
)

// How often a question is asked, and what a server may ask to be waited for.
const (
	maxTries    = 5
	longestWait = time.Minute
)

// persist asks until there is an answer or asking again is in vain, and explains what went wrong.
func persist[T any](ctx context.Context, c *Client, what string, ask func(ctx context.Context) (T, error)) (T, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = 500*time.Millisecond, 10*time.Second
	answer, err := backoff.Retry(ctx, func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		answer, err := ask(ctx)
		return answer, classify(err)
	}, backoff.WithBackOff(pauses), backoff.WithMaxTries(maxTries))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = permanent.Err
	}
	if err != nil && ctx.Err() != nil {
		err = &Error{What: what, Err: context.Cause(ctx)} // the caller's wish says more than what it has broken
	}
	return answer, c.explain(what, err)
}

// classify says whether, and when, to ask again.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*api.AbuseRateLimitError](err); ok && e.RetryAfter != nil {
		return wait(err, *e.RetryAfter)
	}
	if e, ok := errors.AsType[*api.ErrorResponse](err); ok {
		switch code := e.Response.StatusCode; {
		case code == http.StatusTooManyRequests || code >= 500 && code != http.StatusNotImplemented:
			return wait(err, download.RetryAfter(e.Response.Header, time.Now()))
		}
		return backoff.Permanent(err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return backoff.Permanent(err)
	}
	if _, ok := errors.AsType[*api.RateLimitError](err); ok {
		return backoff.Permanent(err)
	}
	if _, ok := errors.AsType[*Error](err); ok || errors.Is(err, errElsewhere) || errors.Is(err, context.Canceled) {
		return backoff.Permanent(err)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound || errors.Is(err, syscall.ECONNREFUSED) {
		return backoff.Permanent(err) // there is no network, or no such host: who sits in front of it had better know at once
	}
	return err // the network's
}

func wait(err error, asked time.Duration) error {
	switch {
	case asked > longestWait:
		return backoff.Permanent(err)
	case asked > 0:
		return &asking{err, asked}
	}
	return err
}

// asking is an error that says when to come back. It unwraps to both: what the pauses look for, and what went wrong.
type asking struct {
	err   error
	pause time.Duration
}

func (a *asking) Error() string { return a.err.Error() }

func (a *asking) Unwrap() []error {
	return []error{a.err, backoff.RetryAfter(int((a.pause + time.Second - 1) / time.Second))}
}
