package qmp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	goqmp "github.com/digitalocean/go-qemu/qmp"
)

// Monitor lends the connection to go-qemu's typed calls, raw.NewMonitor(conn.Monitor(ctx)).QueryStatus() for one. ctx
// bounds each of them, so that a typed call has a deadline too. Events go to the connection's callback and not through
// here.
func (q *Conn) Monitor(ctx context.Context) goqmp.Monitor { return bound{q, ctx} }

// bound is a Conn under a context, because go-qemu's interface has none.
type bound struct {
	conn *Conn
	ctx  context.Context
}

// Connect reports whether the connection is good; it was made before.
func (b bound) Connect() error { return b.conn.Err() }

// Disconnect closes the connection.
func (b bound) Disconnect() error { return b.conn.Close() }

// Events always fails with go-qemu's own error for it.
func (b bound) Events(context.Context) (<-chan Event, error) { return nil, goqmp.ErrEventsNotSupported }

// Run executes a command in JSON, and returns QEMU's whole answer. An id in the command is replaced by our own.
func (b bound) Run(request []byte) ([]byte, error) {
	var c struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments"`
	}
	d := json.NewDecoder(bytes.NewReader(request))
	d.UseNumber() // sizes may be beyond what a float64 can hold
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("qmp: bad command %.80q: %w", request, err)
	}
	a, err := b.conn.roundTrip(b.ctx, c.Execute, c.Arguments)
	if err != nil {
		return nil, fmt.Errorf("qmp: %s: %w", c.Execute, err)
	}
	return a.raw, nil
}
