package lifecycle

import (
	"slices"
	"strings"
	"testing"
)

// The monitor may tell twice that the guest is up, for it asks and listens at once. Host ports can be opened only once.
func TestGuestIsUpTwiceInACapture(t *testing.T) {
	for name, events := range map[string][]Event{
		"before the monitor": {GuestUp{}, MonitorUp{}, GuestUp{}},
		"after it":           {MonitorUp{}, GuestUp{}, GuestUp{}},
	} {
		i := New(DefaultPolicy())
		story(i, t0, Start{}, Prepared{Way: Capture})
		opened := 0
		for _, ev := range events {
			for _, effect := range i.Step(t0, ev) {
				if _, ok := effect.(OpenPorts); ok {
					opened++
				}
			}
		}
		if opened != 1 {
			t.Errorf("%s: the ports are opened %d times", name, opened)
		}
	}
}

// A guest that gives no sign of life has nothing to do with the capture: where that is all that is wanted, it is booted again, as
// often as any other. One that was alive, or that somebody waits for, is not captured again.
func TestGuestStandsStillInACapture(t *testing.T) {
	late := DeadlinePassed{errBoom}
	i := New(DefaultPolicy())
	check(t, story(i, t0, Start{CaptureOnly: true}, Prepared{Way: Capture}, MonitorUp{}, late, Drained{}, BackoffOver{}, Prepared{Way: Capture}, MonitorUp{})[6:],
		"deadline 1m40s", "draining", "deadline 20s", "drain", "backoff", "disarm", "wait 500ms",
		"preparing", "deadline 6m0s", "prepare", "capturing", "deadline 30s", "boot", "deadline 1m40s")
	story(i, t0, late, Drained{}, BackoffOver{}, Prepared{Way: Capture}, MonitorUp{}, late, Drained{})
	if i.State() != Failed {
		t.Errorf("after three boots: %v", i.State())
	}
	for name, events := range map[string][]Event{
		"alive":        {Start{CaptureOnly: true}, Prepared{Way: Capture}, MonitorUp{}, GuestUp{}, late, Drained{}},
		"waited for":   {Start{}, Prepared{Way: Capture}, MonitorUp{}, late, Drained{}},
		"never booted": {Start{CaptureOnly: true}, Prepared{Way: Capture}, late, Drained{}},
	} {
		i := New(DefaultPolicy())
		if told := story(i, t0, events...); !slices.ContainsFunc(told, func(line string) bool { return strings.HasPrefix(line, "fallback") }) {
			t.Errorf("%s: %s", name, told)
		}
	}
}
