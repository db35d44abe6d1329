package github

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	api "github.com/google/go-github/v75/github"

	"github.com/stackemu/stackemu/internal/download"
)

// Error is what went wrong with a question.
type Error struct {
	What   string    // was asked for
	Status int       // of the answer; 0 when there was none
	Reset  time.Time // when a rate limit ends; zero otherwise
	Err    error
	Advice string // what to do about it; may be empty
}

func (e *Error) Error() string {
	text := fmt.Sprintf("github: %s: %v", e.What, e.Err)
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// The kinds of [Error] that a caller may want to tell apart.
var (
	ErrNotFound    = errors.New("not found")
	ErrNeedsToken  = errors.New("GitHub gives artifacts to nobody without a token")
	ErrExpired     = errors.New("has expired")
	ErrRateLimited = errors.New("too many requests")
)

const (
	adviceToken = "set GITHUB_TOKEN, or run `gh auth login`"
	adviceLater = "try again later (https://www.githubstatus.com)"
)

// explain makes an Error of whatever the client library has returned.
func (c *Client) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*api.RateLimitError](err); ok {
		return c.limited(what, e.Response, e.Rate.Reset.Time)
	}
	if e, ok := errors.AsType[*api.AbuseRateLimitError](err); ok {
		reset := time.Time{}
		if e.RetryAfter != nil {
			reset = time.Now().Add(*e.RetryAfter)
		}
		return c.limited(what, e.Response, reset)
	}
	if e, ok := errors.AsType[*api.ErrorResponse](err); ok {
		return c.status(what, e)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Error{What: what, Err: bare(err), Advice: "if a proxy of yours is in the way, name its certificate in SSL_CERT_FILE"}
	}
	if errors.Is(err, context.Canceled) {
		return &Error{What: what, Err: bare(err)}
	}
	return &Error{What: what, Err: bare(err), Advice: "is the network there? Proxies are taken from HTTPS_PROXY"}
}

// bare takes off the URL, which "what" has said in other words.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func (c *Client) limited(what string, r *http.Response, reset time.Time) error {
	e := &Error{What: what, Reset: reset, Err: ErrRateLimited}
	if r != nil {
		e.Status = r.StatusCode
	}
	if !reset.IsZero() {
		e.Err = fmt.Errorf("%w; the limit ends at %s (in %v)", ErrRateLimited, reset.Local().Format(time.TimeOnly), max(time.Until(reset), 0).Round(time.Second))
	}
	if !c.token {
		e.Advice = "with a token there are more: " + adviceToken
	}
	return e
}

func (c *Client) status(what string, r *api.ErrorResponse) error {
	code := r.Response.StatusCode
	if code == http.StatusTooManyRequests {
		reset := time.Time{}
		if after := download.RetryAfter(r.Response.Header, time.Now()); after > 0 {
			reset = time.Now().Add(after)
		}
		return c.limited(what, r.Response, reset)
	}
	e := &Error{What: what, Status: code, Err: fmt.Errorf("%d %s", code, http.StatusText(code))}
	if r.Message != "" {
		e.Err = fmt.Errorf("%d: %.200s", code, r.Message)
	}
	switch {
	case code == http.StatusUnauthorized && c.token:
		e.Advice = "the token is wrong or has expired: see GITHUB_TOKEN, GH_TOKEN and `gh auth status`"
	case code == http.StatusUnauthorized:
		e.Advice = adviceToken
	case code == http.StatusForbidden && c.token:
		e.Advice = "the token lacks a right: it must read contents and actions of the repository, and be authorised for single sign-on where that is used"
	case code == http.StatusForbidden:
		e.Advice = adviceToken
	case code == http.StatusNotFound || code == http.StatusGone:
		e.Err = fmt.Errorf("%w (%d)", ErrNotFound, code)
		e.Advice = "is it spelled right? A private repository is seen with a token that may read it only"
		if !c.token {
			e.Advice += ": " + adviceToken
		}
	case code >= 500:
		e.Advice = adviceLater
	}
	return e
}
