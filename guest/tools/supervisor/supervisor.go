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
)

// ErrAbsent is wrapped by errors of calls to a supervisord that does not run, has not got as far as listening, or is
// shutting down. It listens before it starts its first program, so none of its programs was running when the call was made,
// or none will be soon.
var ErrAbsent = errors.New("no supervisord")

// Fault numbers (supervisor/xmlrpc.py, class Faults).
const (
	faultShutdown       = 6
	faultAlreadyStarted = 60
	faultNotRunning     = 70
)

// maxAnswer is how many bytes of an answer are read. Those to the calls of this package have 200.
const maxAnswer = 64 << 10

// Client calls the supervisord behind a socket.
type Client struct {
	http *http.Client
}

// New returns a client for the socket at path. Close it.
func New(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close lets go of the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Restart ends the program called name with its process group, waits until it is gone, and starts it anew. When it returns
// without an error, what runs under that name was started after the call. It does not wait for the program to do anything.
func (c *Client) Restart(ctx context.Context, name string) error {
	err := c.call(ctx, "supervisor.stopProcess", name, true)
	if err != nil && !isFault(err, faultNotRunning) {
		return err
	}
	err = c.call(ctx, "supervisor.startProcess", name, false)
	if isFault(err, faultAlreadyStarted) {
		return nil // by supervisord itself, which starts what has ended: after the stop, then
	}
	return err
}

// call calls a method for the program called name. An answer that is no fault is a success: the methods used here have
// nothing else to say.
func (c *Client) call(ctx context.Context, method, name string, wait bool) error {
	err := c.post(ctx, encode(method, name, wait))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED), isFault(err, faultShutdown):
		err = errors.Join(ErrAbsent, err)
	}
	return fmt.Errorf("supervisor: %s %s: %w", method, name, err)
}

func (c *Client) post(ctx context.Context, body []byte) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://supervisor/RPC2", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/xml")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", response.Status)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	return decode(answer)
}
