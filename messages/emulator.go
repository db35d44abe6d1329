package messages

// Launch asks an emulator to bring its instance up, or to see that there is a snapshot and no more. From the fleet, once,
// right after it was spawned.
type Launch struct {
	CaptureOnly bool `json:"captureOnly,omitempty"`
}

// Shutdown asks an emulator to take its instance down; Kill asks it not to wait for the guest. From the fleet. It ends with
// [InstanceEnded].
type Shutdown struct {
	Kill bool `json:"kill,omitempty"`
}

func (*Launch) message()    {}
func (*Launch) toEmulator() {}

func (*Shutdown) message()    {}
func (*Shutdown) toEmulator() {}
