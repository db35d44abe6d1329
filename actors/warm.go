package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
)

// This file is the emulator's part in snapshots and sessions: asking the store, bringing a guest up to date, saving, and
// what follows when any of it fails.

type (
	sealed    struct{ err error }
	confirmed struct{ err error }
	named     struct{ err error }
)

// want asks the store. The store's end is an answer, too (see terminated).
func (e *emulator) want(c actor.Context, want *messages.WantSnapshot) {
	if e.store.pid == nil {
		e.denied(c, errNoStore)
		return
	}
	e.asking = true
	c.Watch(e.store.pid)
	e.store.Tell(c, &messages.WantSnapshot{Instance: e.name, Parts: want.Parts, Key: want.Key, MayCapture: want.MayCapture, Force: want.Force})
}

var errNoStore = fmt.Errorf("the snapshot store is gone (this is a bug: the message log has the stack)")

// denied goes on without a snapshot, unless that is what the user demands.
func (e *emulator) denied(c actor.Context, err error) {
	if e.machineState.State() != lifecycle.Preparing {
		return
	}
	e.step(c, lifecycle.PrepareFailed{Err: fmt.Errorf("snapshot: %w", err)})
}

func (e *emulator) unpacking(c actor.Context, m *messages.SnapshotUnpacking) {
	if e.machineState.State() == lifecycle.Preparing { // or nobody waits for it any more
		e.fleet.Tell(c, &messages.InstanceProgress{Instance: e.name, Doing: "unpacking the snapshot", Done: m.Done, Total: m.Total})
	}
}

func (e *emulator) captureReason(why string) string {
	text := "captures a snapshot first: this start takes long, and later ones do not"
	if e.captureOnly {
		text = "captures a snapshot"
	}
	if why != "" {
		text += " (" + why + ")"
	}
	return text
}

func (e *emulator) snapshotGranted(c actor.Context, m *messages.SnapshotGranted) {
	if e.captureOnly && e.machineState.State() == lifecycle.Preparing {
		e.notice(c, "there is a snapshot already that fits this host, image and configuration")
		e.step(c, lifecycle.Prepared{Way: lifecycle.Resume}) // it is not going to be: nothing needs to be prepared
		return
	}
	e.prepareFrom(c, Choice{Snapshot: m})
}

func (e *emulator) snapshotPublished(c actor.Context, err error) {
	if err == nil {
		e.notice(c, fmt.Sprintf("captured the snapshot in %v", time.Since(e.since).Round(100*time.Millisecond)))
	}
	if err != nil || e.boot.Name == nil {
		e.sealed(c, err)
		return
	}
	name := e.boot.Name
	e.life.run(c, func(context.Context) any { return &named{name()} })
}

// named goes on whatever came of it: the names of a snapshot are for others.
func (e *emulator) named(c actor.Context, err error) {
	if err != nil {
		e.warn(c, err.Error())
	}
	e.sealed(c, nil)
}

// refresh brings an outdated guest up to date, by its tools at their port or else over its agent. toolsPort and agentReady come back to
// it when there is neither yet.
func (e *emulator) refresh(c actor.Context) {
	if !e.outdated || e.refreshing || !e.toolsOpen && !e.agentUp {
		return
	}
	e.refreshing = true
	e.agent.Tell(c, &messages.RefreshGuest{AtPort: e.toolsOpen})
}

func (e *emulator) toolsPort(c actor.Context, open bool) {
	e.toolsOpen = open
	if open {
		e.reachable(c)
	}
}

func (e *emulator) agentReady(c actor.Context) {
	e.agentUp = true
	e.setClock(c)
	if e.machineState.State() == lifecycle.Saving && !e.quiet {
		e.quietGuest(c)
	}
	e.reachable(c)
}

// reachable goes on with a refresh that waits for somebody in the guest.
func (e *emulator) reachable(c actor.Context) {
	if e.rebooted && e.machineState.State() == lifecycle.Ready {
		e.outdated, e.rebooted, e.refreshFailures = true, false, 0
	}
	e.refresh(c)
}

// quietGuest needs the guest's agent. One that has opened its port is about to answer, and so is that of a guest that is
// captured: its services may be healthy first. Another one is gone, and refuses at once.
func (e *emulator) quietGuest(c actor.Context) {
	if e.agentUp || !e.agentOpen && e.boot.Way != lifecycle.Capture {
		e.agent.Tell(c, &messages.QuietGuest{})
	}
}

// guestQuiet goes on with the save. A guest that could not be prepared is shut down instead: its disk alone must do for the
// next start if the session does not load.
func (e *emulator) guestQuiet(c actor.Context, err error) {
	if e.machineState.State() != lifecycle.Saving {
		return
	}
	if err != nil {
		e.saveFailed(c, err)
		return
	}
	e.quiet = true
	e.monitor.Tell(c, &messages.SaveState{})
}

func (e *emulator) stageFailed(c actor.Context, m *messages.StageFailed) {
	if m.Stage == stageSave {
		e.saveFailed(c, m.Cause.Err)
		return
	}
	e.step(c, lifecycle.StageFailed{Err: m.Cause.Err})
}

func (e *emulator) saveFailed(c actor.Context, err error) {
	if e.boot.Way != lifecycle.Capture {
		e.warn(c, fmt.Sprintf("the session cannot be saved, so the guest is shut down instead: %v", err))
	}
	e.step(c, lifecycle.SaveFailed{Err: err})
}

// seal publishes what was saved: the store a snapshot, the instance its own session.
func (e *emulator) seal(c actor.Context) {
	if e.boot.Way == lifecycle.Capture {
		e.store.Tell(c, &messages.PublishSnapshot{Instance: e.name, Manifest: e.boot.Manifest()})
		return
	}
	seal := e.boot.Seal
	e.life.run(c, func(ctx context.Context) any { return &sealed{seal(ctx)} })
}

func (e *emulator) sealed(c actor.Context, err error) {
	if err != nil {
		e.step(c, lifecycle.SealFailed{Err: err})
		return
	}
	e.step(c, lifecycle.Sealed{})
}

// confirm makes known that the instance is as it should be.
func (e *emulator) confirm(c actor.Context) {
	if e.granted {
		e.store.Tell(c, &messages.ResumeWorked{Instance: e.name})
	}
	confirm := e.boot.Confirm
	e.span.run(c, func(context.Context) any { return &confirmed{confirm()} })
}

func (e *emulator) confirmed(c actor.Context, m *confirmed) {
	if m.err != nil {
		e.warn(c, m.err.Error()) // it runs all the same
	}
	e.step(c, lifecycle.Confirmed{})
}

// fallback tells the one warning of a resume or capture that has failed. A snapshot's failures are counted by the store.
func (e *emulator) fallback(c actor.Context, f lifecycle.Fallback) {
	e.logs.census.failed(c.Self().Id, f.Err)
	if !f.Final {
		e.warn(c, fmt.Sprintf("%v (after %v); boots from its disk instead", f.Err, time.Since(e.since).Round(10*time.Millisecond)))
	}
	if f.From == lifecycle.Resume && e.granted && e.store.pid != nil {
		e.counting = true
		e.store.Tell(c, &messages.ResumeFailed{Instance: e.name, Cause: messages.Cause{Err: f.Err}})
	}
}

func (e *emulator) failureCounted(c actor.Context) {
	if e.counting {
		e.counting = false
		e.drainNext(c)
	}
}

// release gives back what the store has granted to the generation that is gone, but for a capture that it is still to publish.
func (e *emulator) release(c actor.Context) {
	if e.asking && !(e.machineState.State() == lifecycle.Saving && e.boot.Way == lifecycle.Capture) {
		e.store.Tell(c, &messages.ReleaseSnapshot{Instance: e.name})
		e.asking = false
	}
}

func (m *sealed) failure() error { return m.err }

func (m *named) failure() error { return m.err }

func (m *confirmed) failure() error { return m.err }
