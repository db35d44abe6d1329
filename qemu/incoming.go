package qemu

import "fmt"

// Incoming is what a machine waits for, paused, instead of booting. After the load it is paused still.
type Incoming int

// What a machine may begin with.
const (
	NoIncoming       Incoming = iota // it boots
	IncomingSnapshot                 // the state that qmp.Conn.SaveLazy or SaveMapped wrote
	IncomingSession                  // the state that qmp.Conn.SaveDevices wrote
)

func (i Incoming) validate() error {
	if i < NoIncoming || i > IncomingSession {
		return fmt.Errorf("incoming %d: there is no such kind", i)
	}
	return nil
}

// incoming adds the wait for a state.
func (a *args) incoming(w Wiring) {
	if w.Incoming == NoIncoming {
		return
	}
	*a = append(*a, "-S") // whoever loads decides when the guest goes on
	a.add("-incoming", "defer")
	if w.Incoming == IncomingSession {
		// Such a file lacks the section that others begin with.
		a.add("-global", "migration.send-configuration=off")
	}
}
