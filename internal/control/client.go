package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/qemu"
)

// answerTimeout is generous: a supervisor answers within milliseconds, and shares its host with a VM that starts.
const answerTimeout = 10 * time.Second

// Client asks the supervisor at one socket. Every call connects anew, so that it needs no end.
type Client struct {
	path string
	http *http.Client
}

// NewClient is for the socket at path. It does not connect yet.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialOurs(ctx, path) }
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true}}}
}

// dialOurs connects to a supervisor of this user.
func dialOurs(ctx context.Context, path string) (net.Conn, error) {
	c, err := qemu.DialUnix(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNoSupervisor
	}
	if err != nil {
		return nil, err
	}
	if !ours(c) {
		_ = c.Close()
		return nil, ErrStranger
	}
	return c, nil
}

// Status asks how the instance is.
func (c *Client) Status(ctx context.Context) (status.Status, error) {
	var s status.Status
	return s, c.ask(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Actors asks which actors the supervisor is made of.
func (c *Client) Actors(ctx context.Context) ([]status.Actor, error) {
	var all []status.Actor
	return all, c.ask(ctx, http.MethodGet, "/v1/actors", nil, &all)
}

// PID is the process that listens at the socket, by the kernel's word, also when it does not answer.
func (c *Client) PID(ctx context.Context) (int, error) {
	conn, err := dialOurs(ctx, c.path)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_, pid, err := peer(conn.(*net.UnixConn))
	return pid, err
}

// Stop begins a stop, of a supervisor of any version; kill is one without asking the guest. It does not wait for the end.
func (c *Client) Stop(ctx context.Context, kill bool) error {
	err := c.ask(ctx, http.MethodPost, "/v1/stop", stopRequest{kill}, nil)
	var other *VersionError
	if errors.As(err, &other) && other.Theirs != "" {
		return nil
	}
	return err
}

// StopAndFollow begins a stop and calls f for every event after the one with the number after, as [Client.Events] does. It
// listens before it asks, so that the last word is heard, however fast the end is. Of a supervisor of another version it
// cannot hear anything, and returns a [*VersionError] once that is gone.
func (c *Client) StopAndFollow(ctx context.Context, after uint64, kill bool, f func(status.Event) error) error {
	response, err := c.openEvents(ctx, after)
	if err != nil {
		var other *VersionError
		if !errors.As(err, &other) {
			return err
		}
		if err := c.Stop(ctx, kill); err != nil {
			return err
		}
		return errors.Join(other, c.gone(ctx))
	}
	defer response.Body.Close()
	if err := c.Stop(ctx, kill); err != nil && !errors.Is(err, ErrNoSupervisor) {
		return err
	}
	return readEvents(response.Body, f)
}

// gonePoll is how often it is asked whether a supervisor is gone that cannot tell.
const gonePoll = 50 * time.Millisecond

func (c *Client) gone(ctx context.Context) error {
	tick := time.NewTicker(gonePoll)
	defer tick.Stop()
	for {
		if _, err := c.PID(ctx); errors.Is(err, ErrNoSupervisor) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Exec runs a program in the guest and waits for its end. When ctx is done before, the program goes on.
func (c *Client) Exec(ctx context.Context, r ExecRequest) (ExecResult, error) {
	if err := r.check(); err != nil {
		return ExecResult{}, err
	}
	var result ExecResult
	response, err := c.do(ctx, http.MethodPost, "/v1/exec", r)
	if err != nil {
		return result, err
	}
	defer response.Body.Close()
	return result, read(response, &result)
}

// Events calls f for the events after the one with the number after, as they come. It returns nil when the instance has
// ended (the last event was a [status.Ended]), f's error, or what broke the connection.
func (c *Client) Events(ctx context.Context, after uint64, f func(status.Event) error) error {
	response, err := c.openEvents(ctx, after)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return readEvents(response.Body, f)
}

// openEvents returns when the supervisor has begun to answer.
func (c *Client) openEvents(ctx context.Context, after uint64) (*http.Response, error) {
	response, err := c.do(ctx, http.MethodGet, "/v1/events?after="+strconv.FormatUint(after, 10), nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return nil, read(response, nil)
	}
	return response, nil
}

// ErrCutOff says that the supervisor was gone before it had told its last word.
var ErrCutOff = errors.New("its supervisor is gone, in the middle of a word")

// maxEvent bounds the line of one event, in bytes: the last words of a guest are in some.
const maxEvent = 1 << 20

func readEvents(body io.Reader, f func(status.Event) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	for lines.Scan() {
		var e status.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("control: an event that cannot be read: %w", err)
		}
		if err := f(e); err != nil {
			return err
		}
		if e.Kind == status.Ended {
			return nil
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("control: %w", err)
	}
	return ErrCutOff
}

// ask is a question that is answered at once.
func (c *Client) ask(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, ErrUnresponsive)
	defer cancel()
	response, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return read(response, into)
}

func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	return c.send(ctx, method, path, body, http.Header{})
}

func (c *Client) send(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if body == nil {
		b = nil
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://control"+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	request.Header = header
	request.Header.Set(versionHeader, strconv.Itoa(Version))
	response, err := c.http.Do(request)
	switch {
	case errors.Is(err, ErrNoSupervisor):
		return nil, ErrNoSupervisor
	case errors.Is(err, ErrStranger):
		return nil, ErrStranger
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && hungUp(err):
		return nil, ErrNoSupervisor // it went away while we came
	case err != nil:
		if of, ok := errors.AsType[*url.Error](err); ok { // its URL is nobody's
			err = of.Err
		}
		return nil, fmt.Errorf("control: %w", err)
	}
	if theirs := response.Header.Get(versionHeader); theirs != strconv.Itoa(Version) {
		_ = response.Body.Close()
		return nil, &VersionError{Theirs: theirs, Program: response.Header.Get(programHeader)}
	}
	return response, nil
}

// hungUp tells whether the other end has closed the connection before it answered. One of these errors of net/http has no
// name but its words.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection")
}

// read decodes an answer, or the error in its place.
func read(response *http.Response, into any) error {
	d := json.NewDecoder(response.Body)
	if response.StatusCode != http.StatusOK {
		e := &Error{}
		if err := d.Decode(e); err != nil || e.Message == "" {
			return fmt.Errorf("control: the supervisor answers with status %d", response.StatusCode)
		}
		return e
	}
	if into == nil {
		return nil
	}
	if err := d.Decode(into); err != nil {
		if cause := context.Cause(response.Request.Context()); cause != nil {
			return cause
		}
		return fmt.Errorf("control: an answer that cannot be read: %w", err)
	}
	return nil
}
