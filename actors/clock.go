package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/messages"
)

// This file keeps the guest's clock. It stands still while the host sleeps, and knows nothing of it when the host is given another
// time; the guest's own tokens would be of another day.

// wallClock tells how far the host's wall clock has moved beside the time that has passed, which stands still while the host sleeps, as
// the guest does.
type wallClock struct {
	now          func() time.Time
	wall, passed time.Time // when it was right
}

// clockTolerance is more than the corrections of a clock that somebody keeps.
const clockTolerance = time.Second

// moved is how far; 0 for as good as not. What is told is not told again.
func (w *wallClock) moved() time.Duration {
	wall, passed := w.now().Round(0), time.Now() // without its reading of the monotonic clock, and with it
	by := wall.Sub(w.wall) - passed.Sub(w.passed)
	first := w.wall.IsZero()
	if !first && by.Abs() < clockTolerance {
		return 0
	}
	w.wall, w.passed = wall, passed
	if first {
		return 0
	}
	return by
}

func (e *emulator) clockMoved(c actor.Context, by time.Duration) {
	e.notice(c, fmt.Sprintf("the host's clock has moved by %v, as after a sleep: the guest is given the time", by.Round(time.Second)))
	e.clockOff = true
	e.setClock(c)
}

// setClock needs the guest's agent: agentReady comes back to it when there is none now, or when it was lost meanwhile.
func (e *emulator) setClock(c actor.Context) {
	if e.clockOff && e.agentUp {
		e.agent.Tell(c, &messages.SetGuestClock{})
	}
}

func (e *emulator) clockSet(c actor.Context, err error) {
	e.clockOff = false
	if err != nil {
		e.warn(c, fmt.Sprintf("the guest's clock could not be set: %v", err))
	}
}
