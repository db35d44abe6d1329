package postresume

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the guest's wall clock.
type Clock interface {
	Now() time.Time
	Set(time.Time) error
}

// A clock that is at most behind, or ahead, is right. What the host says is as old as the way here was long, so a clock
// that is ahead by that much must not be set back.
const (
	behind = 5 * time.Millisecond
	ahead  = 2 * time.Second
)

func setClock(clock Clock, host time.Time) error {
	if off := host.Sub(clock.Now()); off <= behind && off >= -ahead {
		return nil
	}
	return clock.Set(host)
}

// kernelClock sets the kernel's clock and leaves the hardware clock alone, which the host keeps itself.
type kernelClock struct{}

func (kernelClock) Now() time.Time { return time.Now() }

func (kernelClock) Set(t time.Time) error {
	spec := unix.NsecToTimespec(t.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &spec); err != nil {
		return fmt.Errorf("clock_settime: %w", err)
	}
	return nil
}
