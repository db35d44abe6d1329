package download

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// permanent marks an error that no repetition mends.
type permanent struct{ error }

func (e *permanent) Unwrap() error { return e.error }

// How often, and after what pauses, something is tried that does not get on. Eight tries take about a minute.
const (
	maxTries     = 8
	firstPause   = 500 * time.Millisecond
	longestPause = 15 * time.Second
	// longestWait is what a server may ask for. Nobody sits and waits for longer.
	longestWait = 2 * time.Minute
)

// persist calls f until it succeeds, fails for good, or has failed too often without getting on.
func (f *fetch) persist(ctx context.Context, try func() (moved bool, err error)) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstPause, longestPause
	for failures := 0; ; {
		moved, err := try()
		if err == nil {
			f.meter.say("")
			return nil
		}
		if moved {
			failures = 0
			pauses.Reset()
		}
		pause := max(pauses.NextBackOff(), asked(err))
		if failures++; lasting(err) || ctx.Err() != nil || pause > longestWait {
			return err
		}
		if failures >= maxTries {
			return fmt.Errorf("%w (tried %d times)", err, failures)
		}
		f.meter.say(fmt.Sprintf("tries again: %v", err))
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// asked is how long the server asks to be left alone.
func asked(err error) time.Duration {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.RetryAfter
	}
	return 0
}

// lasting says whether trying again is in vain.
func lasting(err error) bool {
	if _, ok := errors.AsType[*permanent](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return !status.passes()
	}
	return errors.Is(err, errNoRanges) || errors.Is(err, errAnew) || errors.Is(err, ErrChanged) || errors.Is(err, errRedirects)
}

// request asks for the file, or for a part of it, once. The answer is 200 or 206. A link that has expired is replaced; the
// request is then to be made again.
func (f *fetch) request(ctx context.Context, headers http.Header) (*http.Response, error) {
	link := f.link()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return nil, &permanent{err}
	}
	for name, values := range headers {
		req.Header[name] = values
	}
	req.Header.Set("Accept-Encoding", "identity") // ranges and digests are of the file as it is
	req.Header.Set("User-Agent", "stackemu")
	r, err := f.Client.Do(req)
	if err != nil {
		return nil, withoutQuery(err)
	}
	if r.StatusCode == http.StatusOK || r.StatusCode == http.StatusPartialContent {
		return r, nil
	}
	_, _ = io.CopyN(io.Discard, r.Body, 4<<10) // so that the connection can be used again
	_ = r.Body.Close()
	if r.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return nil, errAnew
	}
	status := &StatusError{Code: r.StatusCode, Host: r.Request.URL.Host, RetryAfter: RetryAfter(r.Header, time.Now())}
	if status.expired() {
		return nil, f.relocate(ctx, link, status)
	}
	return nil, status
}

// withoutQuery takes the query out of an error's URL: it is what signs a link.
func withoutQuery(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if u, parseErr := url.Parse(e.URL); parseErr == nil {
			return fmt.Errorf("%s: %w", u.Host, e.Err)
		}
		return e.Err
	}
	return err
}

func (f *fetch) link() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.url
}

// errExpired says that there is a new link now.
var errExpired = errors.New("the link had expired")

// relocate asks for a new link in the place of old. It returns errExpired when there is one, and otherwise the error that made
// it ask.
func (f *fetch) relocate(ctx context.Context, old string, why error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.url != old {
		return errExpired // another connection has been here
	}
	link, err := f.Locate(ctx)
	if err != nil {
		return &permanent{err}
	}
	if link == old {
		return &permanent{why}
	}
	f.url = link
	return fmt.Errorf("%w: %v", errExpired, why)
}

// ask asks for the bytes from one position up to another. The answer holds bytes from there on.
func (f *fetch) ask(ctx context.Context, from, end int64) (*http.Response, error) {
	headers := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", from, end-1)}}
	if f.part.state.ETag != "" {
		headers["If-Range"] = []string{f.part.state.ETag}
	}
	r, err := f.request(ctx, headers)
	if err != nil {
		return nil, err
	}
	if err := f.fits(r, from, end); err != nil {
		_ = r.Body.Close()
		return nil, err
	}
	return r, nil
}

// fits says whether an answer is part of the file that is being fetched.
func (f *fetch) fits(r *http.Response, from, end int64) error {
	known, etag := f.part.state.ETag, strongETag(r.Header.Get("ETag"))
	if known != "" && etag != "" && etag != known {
		return errAnew
	}
	if r.StatusCode != http.StatusPartialContent { // the whole: it has changed, or ranges are not given after all
		if known != "" && etag == "" {
			return errAnew
		}
		return errNoRanges
	}
	got, err := parseContentRange(r.Header.Get("Content-Range"))
	switch {
	case err != nil:
		return fmt.Errorf("%w (%v)", errNoRanges, err)
	case got.total >= 0 && f.part.state.Size > 0 && got.total != f.part.state.Size:
		return errAnew
	case got.first != from || got.last >= end:
		return fmt.Errorf("%w (asked for bytes %d to %d, got %d to %d)", errNoRanges, from, end-1, got.first, got.last)
	}
	return nil
}

// learn asks for the first chunk, and notes what the answer says about the whole.
func (f *fetch) learn(ctx context.Context) (_ *http.Response, err error) {
	// The answer outlives this call, so its deadline is not a context that ends here: it is that of the headers only.
	asking, cancel := context.WithCancelCause(ctx)
	watch := newWatch(f.Stall, cancel)
	defer watch.stop()
	r, err := f.request(asking, http.Header{"Range": {fmt.Sprintf("bytes=0-%d", f.Chunk-1)}})
	if err != nil {
		err = cause(asking, err)
		cancel(nil)
		return nil, err
	}
	r.Body = &endingBody{r.Body, func() { cancel(nil) }}
	if err := f.note(r); err != nil {
		_ = r.Body.Close()
		return nil, err
	}
	return r, nil
}

func (f *fetch) note(r *http.Response) error {
	if r.StatusCode != http.StatusPartialContent {
		return errNoRanges
	}
	got, err := parseContentRange(r.Header.Get("Content-Range"))
	etag := strongETag(r.Header.Get("ETag"))
	switch {
	case err != nil:
		return fmt.Errorf("%w (%v)", errNoRanges, err)
	case got.total < 0 || got.first != 0 || got.last >= f.Chunk:
		return errNoRanges
	case f.Size > 0 && got.total != f.Size:
		return f.otherSize(got.total)
	case etag == "" && f.Digest == "":
		return errNoRanges // nothing would tell that two ranges are of two files
	}
	f.part.begin(got.total, etag, f.Chunk)
	f.meter.total.Store(got.total)
	return nil
}

// endingBody ends its request's context when it is closed.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
