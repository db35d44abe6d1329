package lifecycle

import "testing"

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
