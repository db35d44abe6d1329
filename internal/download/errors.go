package download

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// ErrChanged says that the file on the server is not the one that was asked for any more: its size or its digest has changed.
// Who asks for it anew gets the new one.
var ErrChanged = errors.New("the file has changed on the server")

// ErrStalled says that a connection has delivered next to nothing for a while.
var ErrStalled = errors.New("the connection has stalled")

// What ends an attempt, and begins one of another kind.
var (
	errNoRanges = errors.New("the server gives no ranges")
	errAnew     = errors.New("the file has changed on the server while it was fetched")
)

// DigestError says that what has arrived is not what was announced. Nothing of it is kept.
type DigestError struct{ Want, Got string }

func (e *DigestError) Error() string {
	return fmt.Sprintf("the digest is wrong: got %s, want %s; nothing of it was kept", e.Got, e.Want)
}

// SpaceError says that the disk is too small.
type SpaceError struct {
	Dir        string
	Need, Have int64 // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("not enough room in %s: %s more are needed, and %s are free", e.Dir, Bytes(e.Need), Bytes(e.Have))
}

// StatusError is an answer of the server that is neither the file nor a part of it.
type StatusError struct {
	Code       int
	Host       string
	RetryAfter time.Duration // what the server asks for; 0 if nothing
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s answers %d %s", e.Host, e.Code, http.StatusText(e.Code))
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(", and asks to come back in %v", e.RetryAfter.Round(time.Second))
	}
	return text
}

// passes says whether the same request may be answered differently a little later.
func (e *StatusError) passes() bool {
	switch e.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// expired says whether the link may be too old: those of object stores are good for minutes.
func (e *StatusError) expired() bool {
	switch e.Code {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return true
	}
	return false
}

// RetryAfter reads the header of that name: seconds, or a date. 0 means that there is none.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// Bytes writes a number of bytes as people read it, in decimal units: 1.21 GB, 640 MB, 12 kB.
func Bytes(n int64) string {
	switch f := float64(n); {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", f/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0f MB", f/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", f/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
