package actors

import (
	"context"
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
)

// machine owns one QEMU process, from its start until it has been reaped.
//
// Parent: an emulator. In: TerminateMachine. Out: MachineStarted, MachineExited. It fails only when QEMU cannot be
// started; a QEMU that exits is a fact, not a failure, and is told as one. When the actor has stopped, the process is gone.
type machine struct {
	life
	emulator Ref[messages.Emulator]
	launch   func() (Process, error)
	process  Process // nil until it runs
	doomed   bool    // to be killed as soon as it runs
}

type launched struct {
	process Process
	err     error
}

// Close ends a process that nobody is left to own.
func (l *launched) Close() error {
	if l.process == nil {
		return nil
	}
	killAndWait(l.process)
	return nil
}

type reaped struct{ err error }

func (a *machine) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.life = newLife()
		launch := a.launch
		a.run(c, func(ctx context.Context) any {
			end := span.Begin(ctx, "qemu", "start")
			p, err := launch()
			end(err)
			return &launched{p, err}
		})
	case *launched:
		a.launched(c, m)
	case *reaped:
		a.emulator.Tell(c, exited(m.err))
	case *messages.TerminateMachine:
		a.doomed = true
		a.kill()
	case *actor.Stopping:
		a.end()
		if a.process != nil {
			killAndWait(a.process) // milliseconds; after an orderly drain it is gone already
		}
	}
}

func (a *machine) launched(c actor.Context, m *launched) {
	if m.err != nil {
		fail(c, fmt.Errorf("machine: %w", m.err))
		return
	}
	a.process = m.process
	a.emulator.Tell(c, &messages.MachineStarted{PID: m.process.PID()})
	p := m.process
	a.await(c, func(ctx context.Context) any {
		select {
		case <-p.Done():
			return &reaped{p.Err()}
		case <-ctx.Done():
			return nil
		}
	})
	if a.doomed {
		a.kill()
	}
}

func (a *machine) kill() {
	if a.process != nil { // else it is on its way, and launched will see that it is doomed
		a.process.Kill()
	}
}

func killAndWait(p Process) {
	p.Kill()
	<-p.Done()
}

func exited(err error) *messages.MachineExited {
	m := &messages.MachineExited{}
	if err == nil {
		return m
	}
	m.Code, m.Cause = -1, messages.Cause{Err: fmt.Errorf("machine: %w", err)}
	var exit *qemu.ExitError
	if errors.As(err, &exit) {
		m.Code = exit.Code
		if exit.Signal != 0 {
			m.Signal = exit.Signal.String()
		}
	}
	return m
}

func (m *launched) failure() error { return m.err }

func (m *reaped) failure() error { return m.err }
