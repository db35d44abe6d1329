package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/messages"
)

// This file is what becomes of a guest when the host's file system is full. QEMU pauses it in the middle of the write that has
// failed, so that the guest has seen no error, and would leave it paused for ever. The emulator says so and has the write tried
// again, until there is room: then the guest goes on as if nothing had been.

// roomPause is how long a full disk is left alone between two tries. A try costs one write.
const roomPause = 2 * time.Second

type roomDue struct{}

// pausedByDisk is the run state of QEMU after a write without room, as query-status names it.
const pausedByDisk = "io-error"

func (e *emulator) diskFault(c actor.Context, m *messages.DiskFault) {
	switch {
	case !m.NoSpace:
		e.warn(c, fmt.Sprintf("the guest's disk had an error (%s)", m.Operation))
	case !e.diskFull: // each try brings the news again
		e.diskIsFull(c, true)
		e.warn(c, "the disk is full: the guest is paused until there is room (`stackemu snapshot prune` makes some)")
		e.span.after(c, roomPause, &roomDue{})
	}
}

func (e *emulator) tryDisk(c actor.Context) {
	if !e.diskFull {
		return
	}
	e.monitor.Tell(c, &messages.ContinueGuest{}) // a monitor that is being replaced is asked the next time
	e.span.after(c, roomPause, &roomDue{})
}

func (e *emulator) guestContinued(c actor.Context, running bool) {
	if running && e.diskFull {
		e.diskIsFull(c, false)
		e.notice(c, "there is room on the disk again: the guest goes on")
	}
}

func (e *emulator) diskIsFull(c actor.Context, full bool) {
	e.diskFull = full
	e.fleet.Tell(c, &messages.DiskFull{Instance: e.name, Full: full})
}
