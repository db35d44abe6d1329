package messages

// MachineStarted says that QEMU has been started. From a machine to its emulator.
type MachineStarted struct {
	PID int `json:"pid"`
}

// MachineExited says that QEMU is gone and has been reaped, whoever wished it. From a machine to its emulator, once.
type MachineExited struct {
	Code   int    `json:"code"`             // exit code; -1 after a signal
	Signal string `json:"signal,omitempty"` // what killed it
	Cause  Cause  `json:"cause,omitzero"`   // nil after exit code 0
}

// TerminateMachine asks a machine to end QEMU at once. From its emulator; [MachineExited] answers.
type TerminateMachine struct{}

func (*MachineStarted) message()    {}
func (*MachineStarted) toEmulator() {}

func (*MachineExited) message()    {}
func (*MachineExited) toEmulator() {}

func (*TerminateMachine) message()   {}
func (*TerminateMachine) toMachine() {}
