package lifecycle

import "time"

// Event is what happened. The set is closed: see the types below.
type Event interface{ event() }

type (
	// Start asks for a running instance.
	Start struct{}
	// Prepared says that everything which QEMU needs is on disk.
	Prepared struct{}
	// PrepareFailed says why it is not. Another try does not help: the user has to act.
	PrepareFailed struct{ Err error }
	// MonitorUp says that QEMU runs and its monitor answers.
	MonitorUp struct{}
	// GuestUp says that the guest has given a sign of life: its agent has opened its port.
	GuestUp struct{}
	// Healthy says that every service of the profile has answered as it should.
	Healthy struct{}
	// Died says that the QEMU process is gone. Misconfigured marks an exit which another try would only repeat;
	// PoweredOff marks an exit that the guest itself asked for.
	Died struct {
		Err                       error
		Misconfigured, PoweredOff bool
	}
	// StageFailed says that an actor under the emulator failed more often than its budget allows.
	StageFailed struct{ Err error }
	// DeadlinePassed says that the deadline of the last [Arm] is over.
	DeadlinePassed struct{ Err error }
	// Drained says that no child is left.
	Drained struct{}
	// BackoffOver says that the pause of the last [Wait] is over.
	BackoffOver struct{}
	// Stop asks for a shutdown; Kill asks for one without asking the guest.
	Stop struct{ Kill bool }
	// RungFailed says that a rung of the shutdown ladder could not be tried.
	RungFailed struct {
		Rung Rung
		Err  error
	}
)

func (Start) event()          {}
func (Prepared) event()       {}
func (PrepareFailed) event()  {}
func (MonitorUp) event()      {}
func (GuestUp) event()        {}
func (Healthy) event()        {}
func (Died) event()           {}
func (StageFailed) event()    {}
func (DeadlinePassed) event() {}
func (Drained) event()        {}
func (BackoffOver) event()    {}
func (Stop) event()           {}
func (RungFailed) event()     {}

// Effect is what is to be done. The set is closed: see the types below.
type Effect interface{ effect() }

type (
	// Enter announces a new state. It is the first effect of every transition.
	Enter struct{ From, To State }
	// Arm replaces the running deadline, if any, by a new one. What names it in the error of a deadline that passed.
	Arm struct {
		For  time.Duration
		What string
	}
	// Disarm ends the running deadline.
	Disarm struct{}
	// Prepare makes ready what QEMU needs, off the mailbox.
	Prepare struct{}
	// Boot starts a new generation: QEMU, its monitor and its agent.
	Boot struct{}
	// Probe starts the health checks.
	Probe struct{}
	// Shutdown tries one rung of the shutdown ladder. RungKill never appears here: it is a Drain.
	Shutdown struct{ Rung Rung }
	// Drain takes the generation down; QEMU is killed if it still runs.
	Drain struct{}
	// Wait pauses before the next generation.
	Wait struct{ For time.Duration }
	// Finish is the last effect of all. Err is nil after a clean stop.
	Finish struct{ Err error }
)

func (Enter) effect()    {}
func (Arm) effect()      {}
func (Disarm) effect()   {}
func (Prepare) effect()  {}
func (Boot) effect()     {}
func (Probe) effect()    {}
func (Shutdown) effect() {}
func (Drain) effect()    {}
func (Wait) effect()     {}
func (Finish) effect()   {}
