package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
)

// This file is how the emulator prepares a generation, and how long it waits for each stage.

type (
	// prepared is what came of the work that prepare starts.
	prepared struct {
		opened Instance // not nil when this attempt was the first to open it
		boot   *Boot
		err    error
	}
	deadlinePassed struct {
		id  int
		arm lifecycle.Arm
	}
	backoffOver struct{}
)

// Close lets go of what nobody waits for any more.
func (p *prepared) Close() error {
	var err error
	if p.boot != nil {
		err = p.boot.Close()
	}
	if p.opened != nil {
		err = p.opened.Close()
	}
	return err
}

func (e *emulator) prepare(c actor.Context) {
	e.generation = newGeneration(e.life, e.attempt)
	world, name, inst, log := e.world, e.name, e.instance, e.log
	e.span.run(c, func(ctx context.Context) any {
		var p prepared
		if inst == nil {
			if p.opened, p.err = world.Open(ctx, name); p.err != nil {
				return &prepared{err: p.err}
			}
			inst = p.opened
		}
		if p.err = log.Attach(inst.MessagesLog()); p.err == nil {
			p.boot, p.err = inst.Prepare(ctx)
		}
		return &p
	})
}

func (e *emulator) prepared(c actor.Context, p *prepared) {
	if p.opened != nil {
		e.instance = p.opened
	}
	if p.err != nil {
		e.step(c, lifecycle.PrepareFailed{Err: p.err})
		return
	}
	e.boot = p.boot
	for _, note := range p.boot.Notes {
		if !slices.Contains(e.noted, note) { // the next generation finds the same
			e.noted = append(e.noted, note)
			e.notice(c, note)
		}
	}
	e.step(c, lifecycle.Prepared{})
}

// letGo ends the hold on the instance. No child is left when it is called.
func (e *emulator) letGo() {
	if e.boot != nil {
		_ = e.boot.Close()
	}
	if e.instance != nil {
		_ = e.instance.Close()
	}
}

func (e *emulator) arm(c actor.Context, a lifecycle.Arm) {
	e.disarm()
	e.deadline = e.after(c, a.For, &deadlinePassed{e.deadlineID, a})
}

// disarm ends the running deadline. One that has passed already may be in the mailbox: its number is then an old one.
func (e *emulator) disarm() {
	e.deadline.end()
	e.deadlineID++
}

// overdue says what did not happen in time, and what is known of why.
func (e *emulator) overdue(a lifecycle.Arm) error {
	err := fmt.Errorf("%s: no success within %v", a.What, a.For)
	if e.machineState.State() != lifecycle.Probing {
		return err
	}
	var waiting []string
	for _, s := range e.boot.Services {
		if known := e.services[s.Name]; known == nil {
			waiting = append(waiting, s.Name+" (no answer)")
		} else if !known.Healthy {
			waiting = append(waiting, fmt.Sprintf("%s (%s)", s.Name, known.Detail))
		}
	}
	slices.Sort(waiting)
	err = fmt.Errorf("%w: %s", err, strings.Join(waiting, ", "))
	if words := e.boot.Explain(); words != "" {
		err = fmt.Errorf("%w\n%s", err, words)
	}
	return err
}

func (m *prepared) failure() error { return m.err }
