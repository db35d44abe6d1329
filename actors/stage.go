package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
)

// This file is how the emulator prepares a generation, and how long it waits for each stage. Preparing goes from the survey
// over the store, where a snapshot is wanted, to a Boot.

type (
	// surveyed is what came of the work that prepare starts.
	surveyed struct {
		opened Instance // not nil when this attempt was the first to open it
		survey Survey
		err    error
	}
	// prepared is what came of the work that prepareFrom starts.
	prepared struct {
		boot *Boot
		err  error
	}
	deadlinePassed struct {
		id  int
		arm lifecycle.Arm
	}
	backoffOver struct{}
)

// Close lets go of what nobody waits for any more.
func (s *surveyed) Close() error {
	if s.opened == nil {
		return nil
	}
	return s.opened.Close()
}

// Close lets go of what nobody waits for any more.
func (p *prepared) Close() error {
	if p.boot == nil {
		return nil
	}
	return p.boot.Close()
}

func (e *emulator) prepare(c actor.Context, f lifecycle.Prepare) {
	e.generation = newGeneration(e.life, e.attempt)
	world, name, inst, log, only := e.world, e.name, e.instance, e.log, e.captureOnly
	e.span.run(c, func(ctx context.Context) any {
		var s surveyed
		if inst == nil {
			if s.opened, s.err = open(ctx, world, name, only); s.err != nil {
				return &surveyed{err: s.err}
			}
			inst = s.opened
		}
		if s.err = log.Attach(inst.MessagesLog()); s.err == nil {
			s.survey, s.err = inst.Survey(ctx, f)
		}
		return &s
	})
}

func open(ctx context.Context, world World, name string, captureOnly bool) (Instance, error) {
	if captureOnly {
		return world.OpenCapture(ctx)
	}
	return world.Open(ctx, name)
}

func (e *emulator) surveyed(c actor.Context, s *surveyed) {
	if s.opened != nil {
		e.instance = s.opened
	}
	if s.err != nil {
		e.step(c, lifecycle.PrepareFailed{Err: s.err})
		return
	}
	e.tellNotes(c, s.survey.Notes)
	if s.survey.Missing != nil {
		e.missing(c, s.survey.Missing)
		return
	}
	if s.survey.Want != nil {
		e.want(c, s.survey.Want)
		return
	}
	e.prepareFrom(c, Choice{})
}

func (e *emulator) prepareFrom(c actor.Context, choice Choice) {
	if e.machineState.State() != lifecycle.Preparing || e.closing {
		return // an answer that nobody waits for any more; its hold ends with the generation
	}
	inst := e.instance
	if e.granted = choice.Snapshot != nil; e.granted {
		e.snapshot = choice.Snapshot.Key
	}
	e.span.run(c, func(ctx context.Context) any {
		boot, err := inst.Prepare(ctx, choice)
		return &prepared{boot, err}
	})
}

func (e *emulator) prepared(c actor.Context, p *prepared) {
	if p.err != nil {
		e.step(c, lifecycle.PrepareFailed{Err: p.err})
		return
	}
	e.boot = p.boot
	e.tellNotes(c, p.boot.Notes)
	e.step(c, lifecycle.Prepared{Way: p.boot.Way, Sessions: p.boot.Sessions, Open: p.boot.Open})
}

// tellNotes tells the user what was found. The next generation finds the same.
func (e *emulator) tellNotes(c actor.Context, notes []string) {
	for _, note := range notes {
		if !slices.Contains(e.noted, note) {
			e.noted = append(e.noted, note)
			e.warn(c, note)
		}
	}
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
	switch e.machineState.State() {
	case lifecycle.Capturing, lifecycle.ColdBooting, lifecycle.Refreshing, lifecycle.Probing:
	default:
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
	if e.diskFull {
		err = fmt.Errorf("%w (the disk is full)", err)
	}
	if len(e.services) > 0 || e.probing {
		slices.Sort(waiting)
		err = fmt.Errorf("%w: %s", err, strings.Join(waiting, ", "))
	}
	if words := e.boot.Explain(); words != "" {
		err = fmt.Errorf("%w\n%s", err, words)
	}
	return err
}

func (m *surveyed) failure() error { return m.err }

func (m *deadlinePassed) detail() string { return m.arm.What }

func (m *prepared) failure() error { return m.err }
