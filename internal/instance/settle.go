package instance

import (
	"context"
	"time"
)

// A guest whose services have just answered for the first time is still at work: caches are filled, logs written, connections opened.
// All that is under way when it is captured goes on in every resume, at the very moment when somebody waits for it. So a capture
// waits until the guest has nothing to do: so many looks in a row have found its processors busy for no more than a part of
// their time. The health checks, which go on meanwhile, are within that. A guest that never rests is captured as it is.
const (
	settleEvery = 500 * time.Millisecond
	settleLooks = 3
	settleBusy  = 0.15
	settleLimit = 6 * time.Second
)

// settle waits for that. spent is how long the guest's processors were busy and idle since its boot; one that cannot tell is not
// waited for.
func settle(ctx context.Context, spent func(context.Context) (busy, idle time.Duration, err error)) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	busyBefore, idleBefore, err := spent(ctx)
	for calm := 0; calm < settleLooks && err == nil; {
		select {
		case <-time.After(settleEvery):
		case <-ctx.Done():
			return
		}
		var busy, idle time.Duration
		busy, idle, err = spent(ctx)
		worked, all := busy-busyBefore, busy+idle-busyBefore-idleBefore
		if float64(worked) <= settleBusy*float64(all) {
			calm++
		} else {
			calm = 0
		}
		busyBefore, idleBefore = busy, idle
	}
}
