package qmp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	goqmp "github.com/digitalocean/go-qemu/qmp"
	"github.com/stackemu/stackemu/qemu/internal/unixsock"
	"github.com/stackemu/stackemu/qemu/internal/wire"
)

// DefaultTimeout is the deadline of a command whose context has none. QEMU answers in well under a millisecond when it is
// idle, but a busy one holds its lock for seconds under heavy disk work.
const DefaultTimeout = 10 * time.Second

// ErrClosed is in the chain of every error that a connection's end has caused, whoever ended it.
var ErrClosed = errors.New("connection closed")

// Event is an asynchronous message of QEMU. Numbers in its data are float64.
type Event = goqmp.Event

// Version is the version of QEMU as its greeting gives it.
type Version = goqmp.Version

// Error is a command that QEMU has refused.
type Error struct {
	Class string `json:"class"` // CommandNotFound, DeviceNotFound, GenericError ...
	Desc  string `json:"desc"`  // for humans
}

// Error gives QEMU's description, and its class where that says more than "error".
func (e *Error) Error() string {
	if e.Class == "" || e.Class == "GenericError" {
		return e.Desc
	}
	return e.Class + ": " + e.Desc
}

// Conn is one negotiated connection. Its methods may be called from any goroutine, from the event callback too.
type Conn struct {
	conn    net.Conn
	r       *bufio.Reader // the reader goroutine's, after the handshake
	version Version
	events  *queue
	writing wire.Lock
	seq     atomic.Uint64
	done    chan struct{}
	ended   chan struct{} // closed by fail, at once; done waits for the events

	mu       sync.Mutex
	pending  map[string]chan answer // by id; each has room for its one answer
	watchers map[*watcher]bool
	err      error // set once, by fail; without the package's prefix
}

// Dial connects to the QMP socket at path and negotiates, all under ctx. onEvent gets the events, one after the other on
// one goroutine of the connection; it may be nil.
func Dial(ctx context.Context, path string, onEvent func(Event)) (*Conn, error) {
	c, err := unixsock.Dial(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("qmp: %w", err)
	}
	return New(ctx, c, onEvent)
}

// New negotiates on a connection that is open already. It owns c from here on, also when it fails.
func New(ctx context.Context, c net.Conn, onEvent func(Event)) (*Conn, error) {
	q := &Conn{
		conn:     c,
		r:        wire.NewReader(c),
		events:   newQueue(),
		writing:  wire.NewLock(),
		done:     make(chan struct{}),
		ended:    make(chan struct{}),
		pending:  map[string]chan answer{},
		watchers: map[*watcher]bool{},
	}
	if err := wire.Interruptible(ctx, c.SetDeadline, q.handshake); err != nil {
		c.Close()
		return nil, fmt.Errorf("qmp: handshake: %w", wire.Bare(err))
	}
	go q.read()
	go q.deliver(onEvent)
	return q, nil
}

// Version returns the version of the QEMU on the other side.
func (q *Conn) Version() Version { return q.version }

// Dropped returns how many events have been dropped because the callback was too slow.
func (q *Conn) Dropped() uint64 { return q.events.lost() }

// Done is closed after the connection has ended and the last event has been handed over. A callback that blocks delays
// Done, and nothing else.
func (q *Conn) Done() <-chan struct{} { return q.done }

// Err returns nil while the connection is good, and why it ended afterwards. Its chain has [ErrClosed].
func (q *Conn) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		return nil
	}
	return fmt.Errorf("qmp: %w", q.err)
}

// Close ends the connection. Events that have not been handed over are dropped. It does not wait for the callback, may
// be called many times and always returns nil.
func (q *Conn) Close() error {
	q.fail(ErrClosed)
	q.events.discard()
	return nil
}

// fail ends the connection for a reason. The first one counts, and is returned; everyone who waits for an answer gets it.
func (q *Conn) fail(reason error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	q.err = reason
	close(q.ended)
	q.conn.Close() // ends the reader too
	for id, ch := range q.pending {
		delete(q.pending, id)
		ch <- answer{err: reason}
	}
	return reason
}

// read is the body of the reader goroutine: it routes lines until the connection ends, and closes the event queue last.
func (q *Conn) read() {
	defer q.events.close()
	for {
		m, err := readMessage(q.r)
		if err != nil {
			q.fail(fmt.Errorf("%w: %w", ErrClosed, wire.Bare(err)))
			return
		}
		q.route(m)
	}
}

// route hands an event to the queue, and an answer to the one who waits for it. An answer for nobody is late: the caller
// has given up.
func (q *Conn) route(m message) {
	if m.event != nil {
		q.notify(*m.event)
		q.events.push(*m.event)
		return
	}
	q.mu.Lock()
	ch := q.pending[m.id]
	delete(q.pending, m.id)
	q.mu.Unlock()
	if ch != nil {
		ch <- m.answer()
	}
}

// deliver is the body of the event goroutine.
func (q *Conn) deliver(onEvent func(Event)) {
	defer close(q.done)
	for {
		e, ok := q.events.pop()
		if !ok {
			return
		}
		if onEvent != nil {
			onEvent(e)
		}
	}
}
