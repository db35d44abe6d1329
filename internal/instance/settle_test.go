package instance

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A guest with two processors is waited for as long as it is at work, but not for ever, and not at all when it cannot tell.
func TestSettle(t *testing.T) {
	for name, c := range map[string]struct {
		busy  func(time.Duration) float64 // part of its processors' time, at a time
		fails time.Duration               // 0 for never
		want  time.Duration
	}{
		"idle":          {func(time.Duration) float64 { return 0.05 }, 0, 3 * settleEvery},
		"still at it":   {func(at time.Duration) float64 { return map[bool]float64{true: 0.9, false: 0.02}[at < 2*time.Second] }, 0, 2*time.Second + 3*settleEvery},
		"again at it":   {func(at time.Duration) float64 { return map[bool]float64{true: 0.9, false: 0}[at/settleEvery == 2] }, 0, 6 * settleEvery},
		"never rests":   {func(time.Duration) float64 { return 0.5 }, 0, settleLimit},
		"cannot tell":   {func(time.Duration) float64 { return 0.5 }, 1, 0},
		"tells no more": {func(time.Duration) float64 { return 0.5 }, 900 * time.Millisecond, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, last := time.Now(), time.Now()
				var busy, idle time.Duration
				settle(t.Context(), func(context.Context) (time.Duration, time.Duration, error) {
					if at := time.Since(began); c.fails != 0 && at >= c.fails-1 {
						return 0, 0, errors.New("CommandNotFound")
					}
					all := 2 * time.Since(last)
					worked := time.Duration(c.busy(last.Sub(began)) * float64(all))
					busy, idle, last = busy+worked, idle+all-worked, time.Now()
					return busy, idle, nil
				})
				if took := time.Since(began); took != c.want {
					t.Errorf("took %v, want %v", took, c.want)
				}
			})
		})
	}
}
