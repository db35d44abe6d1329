package qga

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/qemu/internal/unixsock"
	"github.com/stackemu/stackemu/qemu/internal/wire"
)

// DefaultTimeout is the deadline of a command whose context has none. The agent answers within 0.2 s, also under TCG
// right after a resume.
const DefaultTimeout = 10 * time.Second

// ErrClosed is in the chain of every error of a connection that has ended, on either side.
var ErrClosed = errors.New("connection closed")

// Error is a command that the agent has refused.
type Error struct {
	Class string `json:"class"` // CommandNotFound (also for a disabled command), GenericError ...
	Desc  string `json:"desc"`  // for humans
}

// Error gives the agent's description, and its class where that says more than "error".
func (e *Error) Error() string {
	if e.Class == "" || e.Class == "GenericError" {
		return e.Desc
	}
	return e.Class + ": " + e.Desc
}

// Client is one connection to the agent's socket.
type Client struct {
	conn   net.Conn
	turn   wire.Lock
	closed atomic.Bool

	// Below: of the one whose turn it is.
	r      *bufio.Reader
	synced bool  // nothing is on the wire in either direction
	broken error // the connection has ended
}

// Dial connects to the agent's socket at path. It does not need an agent to be there: see [Client.Sync].
func Dial(ctx context.Context, path string) (*Client, error) {
	c, err := unixsock.Dial(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("qga: %w", err)
	}
	return New(c), nil
}

// New makes a client of a connection that is open already, and owns it.
func New(c net.Conn) *Client {
	return &Client{conn: c, turn: wire.NewLock(), r: wire.NewReader(c)}
}

// Close ends the connection and whatever command is under way. It may be called many times.
func (g *Client) Close() error {
	if g.closed.Swap(true) {
		return nil
	}
	return g.conn.Close()
}

// Sync waits until the agent answers. It is also the way to find out whether there is one.
func (g *Client) Sync(ctx context.Context) error {
	return g.exclusive(ctx, "guest-sync-delimited", func() error {
		g.synced = false
		return g.sync()
	})
}

// Execute runs a command and decodes its result into out, unless that is nil. args is the struct or map of arguments, or
// nil. It fails with the context's cause, with an [*Error] of the agent, or with [ErrClosed].
func (g *Client) Execute(ctx context.Context, name string, args, out any) error {
	return g.exclusive(ctx, name, func() error {
		if err := g.send(name, args); err != nil {
			return err
		}
		line, err := wire.ReadLine(g.r)
		if err != nil {
			return err
		}
		result, err := parse(line)
		if err != nil {
			return err
		}
		g.synced = true // a whole answer, of whatever kind
		if result.err != nil {
			return result.err
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(result.value, out)
	})
}

// Post sends a command that has no answer when it succeeds, such as guest-shutdown, and does not wait for one. The agent
// has been proved alive before; whether it obeys shows elsewhere.
func (g *Client) Post(ctx context.Context, name string, args any) error {
	return g.exclusive(ctx, name, func() error { return g.send(name, args) })
}

// Shutdown asks the agent to power the guest off. It returns when the agent has the command.
func (g *Client) Shutdown(ctx context.Context) error {
	return g.Post(ctx, "guest-shutdown", map[string]string{"mode": "powerdown"})
}

// exclusive waits for the turn and runs f under ctx, or under the default deadline.
func (g *Client) exclusive(ctx context.Context, name string, f func() error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	if err := g.turn.Acquire(ctx); err != nil {
		return fmt.Errorf("qga: %s: %w", name, err)
	}
	defer g.turn.Release()
	end := span.Begin(ctx, "guest", name)
	err := g.broken
	if err == nil {
		err = g.note(ctx, wire.Interruptible(ctx, g.conn.SetDeadline, f))
	}
	end(err)
	if err != nil {
		return fmt.Errorf("qga: %s: %w", name, err)
	}
	return nil
}

// note remembers an error that is the connection's end, and marks it as such.
func (g *Client) note(ctx context.Context, err error) error {
	var netErr *net.OpError
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, wire.ErrTooLong), errors.As(err, &netErr):
		g.broken = fmt.Errorf("%w: %w", ErrClosed, wire.Bare(err))
		g.Close()
		return g.broken
	}
	return err
}
