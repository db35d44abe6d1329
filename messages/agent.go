package messages

import "time"

// AgentPort says that the guest has opened or closed the port of its agent: QMP's VSERPORT_CHANGE event. From a monitor to
// its emulator and on to the agent, which need not poll for a guest that is still booting.
type AgentPort struct {
	Open bool `json:"open"`
}

// ToolsPort says that the guest's tools have opened or closed their port. From a monitor to its emulator.
type ToolsPort struct {
	Open bool `json:"open"`
}

// AgentReady says that the guest agent has answered a sync. From an agent to its emulator.
type AgentReady struct{}

// PowerOffGuest asks the guest to shut itself down. From an emulator to its agent; [RungRefused] answers a failure, the
// machine's end is the success.
type PowerOffGuest struct{}

// RefreshGuest asks an agent to bring the guest up to date: clock, entropy, mounts, secrets. From its emulator;
// [GuestRefreshed] or [RefreshFailed] answers. Asking again is harmless.
type RefreshGuest struct {
	AtPort bool `json:"atPort,omitempty"` // of the tools; else over the guest's agent
}

// GuestRefreshed says what was done in the guest, and how long each step took there. From an agent to its emulator.
type GuestRefreshed struct {
	Steps []RefreshStep `json:"steps"`
}

// RefreshStep is one thing done in the guest.
type RefreshStep struct {
	Name string        `json:"name"`
	Took time.Duration `json:"tookNs"`
}

// RefreshFailed says what could not be done in the guest. From an agent to its emulator.
type RefreshFailed struct {
	Unheard bool  `json:"unheard,omitempty"` // nobody was there who could have done anything
	Cause   Cause `json:"cause"`
}

// ClockMoved says that the host's wall clock has moved beside the time that has passed: the host has slept, or was given another time.
// From a prober, which looks every now and then, to its emulator.
type ClockMoved struct {
	By time.Duration `json:"byNs"`
}

// SetGuestClock asks an agent to give the guest the host's time. From its emulator; [GuestClockSet] answers.
type SetGuestClock struct{}

// GuestClockSet says that the guest has the host's time, or why it has not. From an agent to its emulator.
type GuestClockSet struct {
	Cause Cause `json:"cause,omitzero"`
}

// QuietGuest asks an agent to prepare the guest for being saved: what it has written goes to its disk, the host's mounts
// go away. From its emulator; [GuestQuiet] answers.
type QuietGuest struct{}

// GuestQuiet says that the guest is prepared for being saved, or why it is not. From an agent to its emulator.
type GuestQuiet struct {
	Cause Cause `json:"cause,omitzero"`
}

func (*AgentPort) message()    {}
func (*AgentPort) toEmulator() {}
func (*AgentPort) toAgent()    {}

func (*ToolsPort) message()    {}
func (*ToolsPort) toEmulator() {}

func (*AgentReady) message()    {}
func (*AgentReady) toEmulator() {}

func (*PowerOffGuest) message() {}
func (*PowerOffGuest) toAgent() {}

func (*RefreshGuest) message() {}
func (*RefreshGuest) toAgent() {}

func (*GuestRefreshed) message()    {}
func (*GuestRefreshed) toEmulator() {}

func (*RefreshFailed) message()    {}
func (*RefreshFailed) toEmulator() {}

func (*ClockMoved) message()    {}
func (*ClockMoved) toEmulator() {}

func (*SetGuestClock) message() {}
func (*SetGuestClock) toAgent() {}

func (*GuestClockSet) message()    {}
func (*GuestClockSet) toEmulator() {}

func (*QuietGuest) message() {}
func (*QuietGuest) toAgent() {}

func (*GuestQuiet) message()    {}
func (*GuestQuiet) toEmulator() {}
