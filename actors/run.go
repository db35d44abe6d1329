package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu/qga"
)

// This file is how a program is run in a guest: RunInGuest goes down the tree to the agent, GuestRan comes back up to the
// observers. Whoever has the request when it cannot be fulfilled answers it, so that there is always an answer.

// ErrNotRunning says that there is nobody to run a program in.
var ErrNotRunning = errors.New("is not running")

// ErrNoAgent says that the guest cannot be asked now.
var ErrNoAgent = errors.New("the guest's agent is not there")

// cannotRun is the answer to a request that nobody fulfils.
func cannotRun(m *messages.RunInGuest, err error) *messages.GuestRan {
	return &messages.GuestRan{Instance: m.Instance, ID: m.ID, Cause: messages.Cause{Err: err}}
}

func (f *fleet) runInGuest(c actor.Context, m *messages.RunInGuest) {
	if i := f.instances[m.Instance]; i != nil && i.ended == nil {
		i.emulator.Tell(c, m)
		return
	}
	f.observer.Tell(c, cannotRun(m, fmt.Errorf("%s: %w", m.Instance, ErrNotRunning)))
}

// runInGuest passes the request on to a guest that has its secrets: what is run before would see the snapshot's.
func (e *emulator) runInGuest(c actor.Context, m *messages.RunInGuest) {
	state := e.machineState.State()
	if !e.agentUp || state != lifecycle.Probing && state != lifecycle.Ready {
		e.fleet.Tell(c, cannotRun(m, e.path(fmt.Errorf("%w (it is %s)", ErrNoAgent, state))))
		return
	}
	e.agent.Tell(c, m)
}

// ranInGuest is a program's end, as it comes back to the agent's mailbox.
type ranInGuest struct{ ran *messages.GuestRan }

func (m *ranInGuest) failure() error { return m.ran.Cause.Err }

func (a *agent) runInGuest(c actor.Context, m *messages.RunInGuest) {
	conn := a.conn
	if conn == nil {
		a.emulator.Tell(c, cannotRun(m, ErrNoAgent))
		return
	}
	a.asked = append(a.asked, m)
	a.run(c, func(ctx context.Context) any {
		r, err := conn.Exec(ctx, m.Path, m.Args, m.Stdin)
		var started *qga.StillRunningError
		if errors.Is(err, qga.ErrClosed) && !errors.As(err, &started) {
			err = fmt.Errorf("%w: %w", ErrNoAgent, err)
		}
		if err != nil {
			return &ranInGuest{cannotRun(m, fmt.Errorf("agent: %w", err))}
		}
		return &ranInGuest{&messages.GuestRan{Instance: m.Instance, ID: m.ID,
			ExitCode: r.ExitCode, Signal: r.Signal, Stdout: r.Stdout, Stderr: r.Stderr, Truncated: r.Truncated}}
	})
}

func (a *agent) ranInGuest(c actor.Context, m *ranInGuest) {
	for n, asked := range a.asked {
		if asked.ID == m.ran.ID {
			a.asked = append(a.asked[:n:n], a.asked[n+1:]...)
			a.emulator.Tell(c, m.ran)
			break
		}
	}
	if err := m.ran.Cause.Err; a.cutOff(err) {
		fail(c, err)
	}
}

// abandon answers what nobody is left to wait for. The programs go on in the guest.
func (a *agent) abandon(c actor.Context) {
	for _, m := range a.asked {
		a.emulator.Tell(c, cannotRun(m, fmt.Errorf("agent: %w any more", ErrNoAgent)))
	}
	a.asked = nil
}
