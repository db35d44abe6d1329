// Package health asks a service whether it is well: one HTTP GET, one answer in words.
//
// A probe follows no redirect (a redirect is an answer like any other, and its target another service), reads at most
// maxBody of the body, and keeps no connection that it did not finish reading. How often to ask and when to give up is
// the caller's affair; so is the deadline, through the context.
package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/stackemu/stackemu/internal/span"
)

// maxBody bounds what a probe reads: the answer of a healthy service is its status, but a body read to its end lets
// the connection be used again, and the beginning of an error page says what is wrong.
const maxBody = 64 << 10

// maxQuote is how many bytes of an unhealthy answer's body are quoted.
const maxQuote = 160

// Result is what one probe has found.
type Result struct {
	Healthy bool
	Code    int           // the HTTP status, 0 if there was no answer
	Took    time.Duration // until the last byte that was read
	Err     error         // why it is not healthy, in words for a person; nil if it is
}

// Probe asks url once. The codes are those that mean "healthy". The client's own redirect policy is not used.
func Probe(ctx context.Context, client *http.Client, url string, codes []int) Result {
	end := span.Begin(ctx, "http", "GET "+url)
	began := time.Now()
	code, body, err := get(ctx, client, url)
	result := Result{Code: code, Took: time.Since(began)}
	defer func() { end(result.Err) }()
	switch {
	case err != nil:
		result.Err = inWords(err)
	case !slices.Contains(codes, code):
		result.Err = unexpected(code, body)
	default:
		result.Healthy = true
	}
	return result
}

func get(ctx context.Context, client *http.Client, url string) (code int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := direct.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return response.StatusCode, nil, fmt.Errorf("status %d, but the answer broke off: %w", response.StatusCode, err)
	}
	return response.StatusCode, body, nil
}

// inWords says what a person wants to know about a failed request: not the address again, but what happened.
func inWords(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	var op *net.OpError
	if errors.As(err, &op) { // its text has our port, which is another one each time: the same illness would be news again
		err = op.Err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("given up: %w", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens there: %w", err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("the connection was closed without an answer: %w", err)
	}
	return err
}

func unexpected(code int, body []byte) error {
	status := fmt.Sprintf("status %d", code)
	if text := http.StatusText(code); text != "" {
		status += " " + text
	}
	if quote := quotable(body); quote != "" {
		return fmt.Errorf("%s: %s", status, quote)
	}
	return errors.New(status)
}

// quotable is the beginning of a body that reads as one line of text; nothing of markup or binary data.
func quotable(body []byte) string {
	text := strings.TrimSpace(string(body[:min(len(body), maxQuote)]))
	if strings.HasPrefix(text, "<") {
		return ""
	}
	text = strings.ToValidUTF8(text, "")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
}
