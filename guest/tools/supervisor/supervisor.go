// Package supervisor restarts programs of a supervisord over its own XML-RPC interface, on a Unix socket.
//
// Its own command line does the same, but is a Python program that takes 2 s to load under an emulated CPU.
package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ErrAbsent is wrapped by errors of calls to a supervisord that does not run or has not got as far as listening. It listens
// before it starts its first program and until it has ended its last one, so none was running when the call was made.
var ErrAbsent = errors.New("no supervisord")

// ErrEnding is wrapped by errors of calls to a supervisord that is shutting down, or has ended in the middle of the call. Its
// programs may run for a while yet.
var ErrEnding = errors.New("supervisord is ending")

// Fault numbers (supervisor/xmlrpc.py, class Faults).
const (
	faultShutdown       = 6
	faultAlreadyStarted = 60
	faultNotRunning     = 70
)

// errNoAnswer means that a connection has broken off: there are many errors for that, depending on when.
var errNoAnswer = errors.New("no answer")

// stateStopping is the state of a program that has been told to end and has not done so (supervisor/states.py).
const stateStopping = 40

// stopPause is how long a program that somebody else is stopping is given before its state is asked for again. supervisord
// has no call that waits for that.
const stopPause = 20 * time.Millisecond

// maxAnswer is how many bytes of an answer are read. Those to the calls of this package have 200.
const maxAnswer = 64 << 10

// Client calls the supervisord behind a socket.
type Client struct {
	http *http.Client
}

// New returns a client for the socket at path. Each call has a connection of its own, so there is nothing to close.
func New(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Restart ends the program called name with its process group, waits until it is gone, and starts it anew. When it returns
// without an error, what runs under that name was started after the call. It does not wait for the program to do anything.
func (c *Client) Restart(ctx context.Context, name string) error {
	_, err := c.call(ctx, "supervisor.stopProcess", name, true)
	if isFault(err, faultNotRunning) {
		err = c.awaitStop(ctx, name)
	}
	if err != nil {
		return err
	}
	_, err = c.call(ctx, "supervisor.startProcess", name, false)
	if isFault(err, faultAlreadyStarted) {
		return nil // by supervisord itself, which starts what has ended: after the stop, then
	}
	return err
}

// awaitStop waits for the end of a program that is on its way out: whoever has told it to end may have been killed since. A
// start in the meantime would do nothing, and be answered as if it had.
func (c *Client) awaitStop(ctx context.Context, name string) error {
	for {
		info, err := c.call(ctx, "supervisor.getProcessInfo", name)
		if err != nil {
			return err
		}
		state, err := info.number("state")
		if err != nil {
			return fmt.Errorf("supervisor: %s: %w", name, err)
		}
		if state != stateStopping {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(stopPause):
		}
	}
}

// call calls a method for the program called name.
func (c *Client) call(ctx context.Context, method, name string, flags ...bool) (value, error) {
	result, err := c.post(ctx, encode(method, name, flags...))
	if err == nil {
		return result, nil
	}
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		err = errors.Join(ErrAbsent, err)
	case ctx.Err() != nil: // that is why
	case isFault(err, faultShutdown), errors.Is(err, errNoAnswer):
		err = errors.Join(ErrEnding, err)
	}
	return "", fmt.Errorf("supervisor: %s %s: %w", method, name, err)
}

func (c *Client) post(ctx context.Context, body []byte) (result value, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://supervisor/RPC2", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "text/xml")
	response, err := c.http.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answered %s", response.Status)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return decode(answer)
}
