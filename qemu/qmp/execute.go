package qmp

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/qemu/internal/wire"
)

// command is one request on the wire.
type command struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
	ID        string `json:"id"`
}

// handshake reads the greeting and leaves the negotiation mode. Its deadline is the caller's.
func (q *Conn) handshake() error {
	line, err := wire.ReadLine(q.r)
	if err != nil {
		return err
	}
	if q.version, err = parseGreeting(line); err != nil {
		return err
	}
	const id = "negotiate"
	request, err := json.Marshal(command{Execute: "qmp_capabilities", ID: id})
	if err != nil {
		return err
	}
	if _, err := q.conn.Write(append(request, '\n')); err != nil {
		return err
	}
	for { // events may come first
		m, err := readMessage(q.r)
		switch {
		case err != nil:
			return err
		case m.event != nil:
			q.events.push(*m.event)
		case m.id == id:
			return m.answer().err
		}
	}
}

// Execute runs a command and decodes its result into out, unless that is nil. args is the struct or map of arguments, or
// nil. A refusal is an [*Error] in the chain; an ended context is in the chain as its cause.
func (q *Conn) Execute(ctx context.Context, name string, args, out any) error {
	if err := q.execute(ctx, name, args, out); err != nil {
		return fmt.Errorf("qmp: %w", err)
	}
	return nil
}

// execute is Execute for calls that put more words before the error.
func (q *Conn) execute(ctx context.Context, name string, args, out any) error {
	end := span.Begin(ctx, "qmp", name)
	a, err := q.roundTrip(ctx, name, args)
	end(err)
	if err == nil && out != nil {
		err = json.Unmarshal(a.result, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// roundTrip sends a command and waits for its answer.
func (q *Conn) roundTrip(ctx context.Context, name string, args any) (answer, error) {
	ctx, cancel := bounded(ctx, DefaultTimeout)
	defer cancel()
	id := strconv.FormatUint(q.seq.Add(1), 10)
	request, err := json.Marshal(command{Execute: name, Arguments: args, ID: id})
	if err != nil {
		return answer{}, err
	}
	ch, err := q.expect(id)
	if err != nil {
		return answer{}, err
	}
	if err := q.send(ctx, append(request, '\n')); err != nil {
		q.forget(id)
		return answer{}, err
	}
	select {
	case a := <-ch:
		return a, a.err
	case <-ctx.Done():
		q.forget(id)
		return answer{}, context.Cause(ctx)
	}
}

// bounded gives a context without deadline one.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// expect prepares for the answer with an id.
func (q *Conn) expect(id string) (<-chan answer, error) {
	ch := make(chan answer, 1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	q.pending[id] = ch
	return ch, nil
}

// forget gives up on an answer: it is dropped when it comes.
func (q *Conn) forget(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pending, id)
}

// send writes one line. Half a line on the wire ends the connection.
func (q *Conn) send(ctx context.Context, line []byte) error {
	if err := q.writing.Acquire(ctx); err != nil {
		return err
	}
	defer q.writing.Release()
	whole, err := wire.Write(ctx, q.conn, line)
	switch {
	case err == nil:
		return nil
	case whole && ctx.Err() != nil:
		return err // nothing was written: the next command may try again
	}
	return q.fail(fmt.Errorf("%w: write: %w", ErrClosed, wire.Bare(err)))
}
