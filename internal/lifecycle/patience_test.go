package lifecycle

import "testing"

// A foreign guest gets more time; QEMU, and what the user has said, do not.
func TestForForeign(t *testing.T) {
	p := DefaultPolicy()
	f := p.ForForeign()
	if f.GuestTimeout != 3*p.GuestTimeout || f.RefreshTimeout != 3*p.RefreshTimeout ||
		f.RungTimeouts[RungAgent] != 3*p.RungTimeouts[RungAgent] || f.RungTimeouts[RungACPI] != 3*p.RungTimeouts[RungACPI] {
		t.Errorf("the guest's limits: %+v", f)
	}
	if f.BootTimeout != p.BootTimeout || f.RungTimeouts[RungQuit] != p.RungTimeouts[RungQuit] || f.ReadyTimeout != p.ReadyTimeout || p != DefaultPolicy() {
		t.Errorf("the others: %+v", f)
	}
}
