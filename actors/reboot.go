package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
)

// This file is what becomes of a guest that restarts by itself, as after a panic of its kernel. Its disk has its secrets and its
// ports are open, so that its services come back alone; what only a refresh gives a guest, mounts above all, it gets once
// more when its agent is there.

func (e *emulator) guestReset(c actor.Context, reason string) {
	if e.machineState.State() != lifecycle.Ready {
		return // the refresh is still to come
	}
	if !e.rebooted { // one that restarts again and again has no more time for it
		e.span.after(c, rebootTimeout, &rebootOverdue{})
	}
	e.rebooted = true
	e.warn(c, fmt.Sprintf("the guest restarts by itself (%s)", reason))
}

// rebootTimeout is for its agent to be there again: as long as a cold boot may take to a sign of life.
const rebootTimeout = 100 * time.Second

type rebootOverdue struct{}

// rebootOverdue gives a VM up whose guest does not come back: it stands still, and nobody in it can mend that.
func (e *emulator) rebootOverdue(c actor.Context) {
	if e.rebooted {
		e.step(c, lifecycle.StageFailed{Err: fmt.Errorf("the guest has restarted by itself, and has given no sign of life for %v", rebootTimeout)})
	}
}

// refreshFailed tries once more before it gives the start up: an agent that was busy has cost the product's own tools a whole
// boot, and every step can be repeated. Tools that were not heard have cost no try. An instance that is ready is not given up for that.
func (e *emulator) refreshFailed(c actor.Context, m *messages.RefreshFailed) {
	e.refreshing, e.toolsOpen = false, false // whatever it was, the agent is the other way
	if !m.Unheard {
		e.refreshFailures++
	}
	switch err, again := m.Cause.Err, e.refreshFailures > 1; {
	case again && e.machineState.State() == lifecycle.Ready:
		e.outdated = false
		e.warn(c, fmt.Sprintf("the guest could not be brought up to date after its restart: %v", err))
	case again:
		e.step(c, lifecycle.StageFailed{Err: err})
	default:
		e.refresh(c)
	}
}
