package messages

// MonitorReady says that QMP has been negotiated. From a monitor to its emulator.
type MonitorReady struct {
	Version string `json:"version"`   // QEMU's
	Agent   bool   `json:"agentOpen"` // the guest had opened the agent's port already
	Tools   bool   `json:"toolsOpen"` // and the tools'
}

// MonitorLost says that the QMP channel has ended. From a monitor to its emulator, after everything that had come
// through the channel, so that a [GuestShutdown] is never behind the exit that it explains.
type MonitorLost struct {
	Cause Cause `json:"cause,omitzero"`
}

// GuestShutdown says that the machine is going down and on whose wish: QMP's SHUTDOWN event. From a monitor to its
// emulator.
type GuestShutdown struct {
	ByGuest bool   `json:"byGuest"`
	Reason  string `json:"reason"`
}

// GuestReset says that the guest restarts by itself: QMP's RESET event. From a monitor to its emulator.
type GuestReset struct {
	Reason string `json:"reason"`
}

// DiskFault says that the guest could not write to or read from its disk: QMP's BLOCK_IO_ERROR. From a monitor to its
// emulator. QEMU pauses the guest when NoSpace.
type DiskFault struct {
	Operation string `json:"operation"`
	NoSpace   bool   `json:"noSpace"`
}

// AskMachine asks whether QEMU still answers. From an emulator to its monitor, which fails if it does not.
type AskMachine struct{}

// ContinueGuest asks a monitor to let a guest go on that QEMU has paused because the disk was full. From an emulator;
// [GuestContinued] answers.
type ContinueGuest struct{}

// GuestContinued says how it stands with a guest whose disk was full. From a monitor to its emulator.
type GuestContinued struct {
	Running bool `json:"running"` // it runs; else it was told to try again, and may have been paused again since
}

// LoadState asks a monitor to load the snapshot or session that its QEMU waits for, and to let the guest run. From its
// emulator; [StateLoaded] or [StageFailed] answers.
type LoadState struct{}

// StateLoaded says that the guest goes on from where it was saved. From a monitor to its emulator.
type StateLoaded struct{}

// OpenPorts asks a monitor to let the host ports lead to the guest. From its emulator; [PortsOpened] or [StageFailed]
// answers.
type OpenPorts struct{}

// PortsOpened says that whoever asks the host ports is answered by the guest. From a monitor to its emulator.
type PortsOpened struct{}

// SaveState asks a monitor to pause the guest and to write the machine to disk. From its emulator; [StateSaved] or
// [StageFailed] answers. After a failure the guest runs on.
type SaveState struct{}

// StateSaved says that the machine is on disk, and paused. From a monitor to its emulator.
type StateSaved struct{}

// StageFailed says that a command of the emulator could not be carried out. From a monitor to its emulator.
type StageFailed struct {
	Stage string `json:"stage"` // load, open-ports or save
	Cause Cause  `json:"cause"`
}

// PressPowerButton asks for an ACPI shutdown. From an emulator to its monitor; [RungRefused] answers a failure, the
// machine's end is the success.
type PressPowerButton struct{}

// QuitMachine asks QEMU to flush its disks and end. From an emulator to its monitor; answered like [PressPowerButton].
type QuitMachine struct{}

// RungRefused says that one rung of the shutdown ladder could not be tried. From a monitor or an agent to its emulator.
type RungRefused struct {
	Rung  string `json:"rung"`
	Cause Cause  `json:"cause,omitzero"`
}

func (*MonitorReady) message()    {}
func (*MonitorReady) toEmulator() {}

func (*MonitorLost) message()    {}
func (*MonitorLost) toEmulator() {}

func (*GuestShutdown) message()    {}
func (*GuestShutdown) toEmulator() {}

func (*GuestReset) message()    {}
func (*GuestReset) toEmulator() {}

func (*DiskFault) message()    {}
func (*DiskFault) toEmulator() {}

func (*AskMachine) message()   {}
func (*AskMachine) toMonitor() {}

func (*PressPowerButton) message()   {}
func (*PressPowerButton) toMonitor() {}

func (*QuitMachine) message()   {}
func (*QuitMachine) toMonitor() {}

func (*RungRefused) message()    {}
func (*RungRefused) toEmulator() {}

func (*ContinueGuest) message()   {}
func (*ContinueGuest) toMonitor() {}

func (*GuestContinued) message()    {}
func (*GuestContinued) toEmulator() {}

func (*LoadState) message()   {}
func (*LoadState) toMonitor() {}

func (*StateLoaded) message()    {}
func (*StateLoaded) toEmulator() {}

func (*OpenPorts) message()   {}
func (*OpenPorts) toMonitor() {}

func (*PortsOpened) message()    {}
func (*PortsOpened) toEmulator() {}

func (*SaveState) message()   {}
func (*SaveState) toMonitor() {}

func (*StateSaved) message()    {}
func (*StateSaved) toEmulator() {}

func (*StageFailed) message()    {}
func (*StageFailed) toEmulator() {}
