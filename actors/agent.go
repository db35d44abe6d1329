package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/toolport"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu/qga"
)

// agent owns the guest-agent channel of one machine. The channel accepts bytes long before a guest listens, so the agent
// waits for AgentPort and then proves by a sync that somebody is there.
//
// Parent: an emulator. In: AgentPort, RefreshGuest, SetGuestClock, QuietGuest, RunInGuest, PowerOffGuest. Out: AgentReady,
// GuestRefreshed or RefreshFailed, GuestClockSet, GuestQuiet, GuestRan, RungRefused. It fails when an open port does not
// answer in time.
type agent struct {
	life
	emulator Ref[messages.Emulator]
	dial     func(ctx context.Context) (AgentConn, error)
	askTools func(ctx context.Context) (guestapi.Result, error)
	conn     AgentConn // nil until synced, and again when the guest closes its end
	syncing  bool
	asked    []*messages.RunInGuest // what runs in the guest
}

// syncTimeout is generous: the first answer after a boot waits for a guest under TCG that is starting everything else.
const syncTimeout = 30 * time.Second

// How long a guest may take to be brought up to date, of which the restart of its servers is by far the most, and to be
// made ready for being saved.
const (
	refreshTimeout = 25 * time.Second
	quietTimeout   = 15 * time.Second
)

var errNotConnected = errors.New("not connected")

type synced struct {
	conn AgentConn
	err  error
}

// answered is what the guest has answered, as the emulator is to be told.
type answered struct {
	answer messages.Emulator
	err    error
}

// Close ends a channel that nobody is left to own.
func (s *synced) Close() error {
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

func (a *agent) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.life = newLife()
	case *messages.AgentPort:
		a.port(c, m.Open)
	case *synced:
		a.synced(c, m)
	case *messages.RefreshGuest:
		a.refresh(c, m.AtPort)
	case *messages.SetGuestClock:
		a.setClock(c)
	case *messages.QuietGuest:
		a.quiet(c)
	case *answered:
		a.answered(c, m)
	case *messages.RunInGuest:
		a.runInGuest(c, m)
	case *ranInGuest:
		a.ranInGuest(c, m)
	case *messages.PowerOffGuest:
		a.powerOff(c)
	case *messages.RungRefused: // by our own command, from off the mailbox
		a.emulator.Tell(c, m)
	case *actor.Stopping:
		a.end()
		a.hangUp()
		a.abandon(c)
	}
}

func (a *agent) port(c actor.Context, open bool) {
	if !open {
		a.hangUp()
		return
	}
	if a.conn != nil || a.syncing {
		return
	}
	a.syncing = true
	dial := a.dial
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, syncTimeout)
		defer cancel()
		conn, err := dial(ctx)
		if err == nil {
			if err = conn.Sync(ctx); err != nil {
				_ = conn.Close()
			}
		}
		if err != nil {
			return &synced{err: err}
		}
		return &synced{conn: conn}
	})
}

func (a *agent) synced(c actor.Context, m *synced) {
	a.syncing = false
	if m.err != nil {
		fail(c, fmt.Errorf("agent: %w", m.err))
		return
	}
	a.conn = m.conn
	a.emulator.Tell(c, &messages.AgentReady{})
}

// answered passes an answer on. A question that was lost with the connection is asked again, by the emulator, of our successor.
func (a *agent) answered(c actor.Context, m *answered) {
	if a.cutOff(m.err) {
		fail(c, m.err)
		return
	}
	a.emulator.Tell(c, m.answer)
}

// cutOff tells whether an error is the end of the connection behind our back. That shows only when something is said.
func (a *agent) cutOff(err error) bool { return a.conn != nil && errors.Is(err, qga.ErrClosed) }

// refresh needs no connection to the agent where the tools are at their port.
func (a *agent) refresh(c actor.Context, atPort bool) {
	failed := func(err error) *answered {
		return &answered{&messages.RefreshFailed{Cause: messages.Cause{Err: fmt.Errorf("agent: %w", err)}, Unheard: errors.Is(err, toolport.ErrUnheard)}, err}
	}
	refresh := a.askTools
	switch {
	case atPort:
	case a.conn == nil:
		a.emulator.Tell(c, failed(errNotConnected).answer)
		return
	default:
		refresh = a.conn.Refresh
	}
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
		defer cancel()
		result, err := refresh(ctx)
		if err != nil {
			return failed(err)
		}
		done := &messages.GuestRefreshed{}
		for _, s := range result.Steps {
			done.Steps = append(done.Steps, messages.RefreshStep{Name: s.Name, Took: s.Took})
		}
		return &answered{answer: done}
	})
}

func (a *agent) setClock(c actor.Context) {
	a.ask(c, commandTimeout, AgentConn.SetClock, func(err error) messages.Emulator {
		return &messages.GuestClockSet{Cause: messages.Cause{Err: err}}
	})
}

func (a *agent) quiet(c actor.Context) {
	a.ask(c, quietTimeout, AgentConn.Quiet, func(err error) messages.Emulator {
		return &messages.GuestQuiet{Cause: messages.Cause{Err: err}}
	})
}

// ask has something done that either works or does not, and tells which.
func (a *agent) ask(c actor.Context, limit time.Duration, do func(AgentConn, context.Context) error, answer func(error) messages.Emulator) {
	conn := a.conn
	if conn == nil {
		a.emulator.Tell(c, answer(fmt.Errorf("agent: %w", errNotConnected)))
		return
	}
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		if err := do(conn, ctx); err != nil {
			return &answered{answer(fmt.Errorf("agent: %w", err)), err}
		}
		return &answered{answer: answer(nil)}
	})
}

func (a *agent) powerOff(c actor.Context) {
	refused := func(err error) *messages.RungRefused {
		return &messages.RungRefused{Rung: lifecycle.RungAgent.String(), Cause: messages.Cause{Err: fmt.Errorf("agent: %w", err)}}
	}
	conn := a.conn
	if conn == nil {
		a.emulator.Tell(c, refused(errNotConnected))
		return
	}
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		if err := conn.Shutdown(ctx); err != nil {
			return refused(err)
		}
		return nil
	})
}

func (a *agent) hangUp() {
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
}

func (m *synced) failure() error { return m.err }

func (m *answered) failure() error { return m.err }
