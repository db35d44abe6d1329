package lifecycle

import "time"

// Event is what happened. The set is closed: see the types below.
type Event interface{ event() }

type (
	// Start asks for a running instance; CaptureOnly asks for no more than a snapshot to start from.
	Start struct{ CaptureOnly bool }
	// Prepared says that everything which QEMU needs is on disk, and how the machine comes to life. Sessions tells
	// whether a stop can save what the machine has become. Open tells of a resume that its services can be reached from the guest's
	// first step on, and run on while it is brought up to date.
	Prepared struct {
		Way            Way
		Sessions, Open bool
	}
	// PrepareFailed says why it is not. Another try does not help: the user has to act.
	PrepareFailed struct{ Err error }
	// ImageMissing says that there is no image to make the instance from, as an error. One has to be pulled first.
	ImageMissing struct{ Err error }
	// Pulled says that it is there now.
	Pulled struct{}
	// PullFailed says why it is not. Whoever pulls has tried again where that could help.
	PullFailed struct{ Err error }
	// MonitorUp says that QEMU runs and its monitor answers.
	MonitorUp struct{}
	// Loaded says that the snapshot or session is in the machine, and that its guest runs.
	Loaded struct{}
	// GuestUp says that the guest has given a sign of life: its agent has opened its port.
	GuestUp struct{}
	// Refreshed says that the guest has the host's clock, fresh entropy, its mounts and secrets of its own.
	Refreshed struct{}
	// PortsOpened says that the host ports lead to the guest.
	PortsOpened struct{}
	// Healthy says that every service of the profile has answered as it should.
	Healthy struct{}
	// Confirmed says that this has been made known: the key is published.
	Confirmed struct{}
	// Saved says that the paused machine is on disk.
	Saved struct{}
	// SaveFailed says why it is not. The machine runs on.
	SaveFailed struct{ Err error }
	// Sealed says that what was saved has been published.
	Sealed struct{}
	// SealFailed says why it could not be.
	SealFailed struct{ Err error }
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
func (ImageMissing) event()   {}
func (Pulled) event()         {}
func (PullFailed) event()     {}
func (MonitorUp) event()      {}
func (GuestUp) event()        {}
func (Loaded) event()         {}
func (Refreshed) event()      {}
func (PortsOpened) event()    {}
func (Healthy) event()        {}
func (Confirmed) event()      {}
func (Saved) event()          {}
func (SaveFailed) event()     {}
func (Sealed) event()         {}
func (SealFailed) event()     {}
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
	// Prepare makes ready what QEMU needs, off the mailbox. Cold forbids a snapshot and a capture: one of them has failed.
	// Captured says that there has been a capture already, so that there must not be another.
	Prepare struct{ Cold, Captured bool }
	// Pull has an image pulled. That takes as long as it takes: a pull that gets nowhere ends by itself.
	Pull struct{}
	// Boot starts a new generation: QEMU, its monitor and its agent.
	Boot struct{}
	// Load brings the snapshot or session into the machine and lets it run.
	Load struct{}
	// Refresh brings the guest up to date: clock, entropy, mounts, secrets.
	Refresh struct{}
	// OpenPorts lets the host ports lead to the guest. Until then nobody outside can be answered.
	OpenPorts struct{}
	// Probe starts the health checks.
	Probe struct{}
	// Confirm makes known that the instance is as it should be: its key is published, its snapshot is trusted.
	Confirm struct{}
	// Fallback tells that a resume or a capture has failed and that a cold boot follows; or, when Final, the end.
	Fallback struct {
		From  Way
		Err   error
		Final bool
	}
	// Save pauses the machine and writes it to disk. The machine runs on when that fails.
	Save struct{}
	// Seal publishes what was saved. QEMU is gone by then.
	Seal struct{}
	// Shutdown tries one rung of the shutdown ladder. RungKill never appears here: it is a Drain.
	Shutdown struct{ Rung Rung }
	// Drain takes the generation down; QEMU is killed if it still runs.
	Drain struct{}
	// Wait pauses before the next generation.
	Wait struct{ For time.Duration }
	// Finish is the last effect of all. Err is nil after a clean stop.
	Finish struct{ Err error }
)

func (Enter) effect()     {}
func (Arm) effect()       {}
func (Disarm) effect()    {}
func (Prepare) effect()   {}
func (Pull) effect()      {}
func (Boot) effect()      {}
func (Load) effect()      {}
func (Refresh) effect()   {}
func (OpenPorts) effect() {}
func (Probe) effect()     {}
func (Confirm) effect()   {}
func (Fallback) effect()  {}
func (Save) effect()      {}
func (Seal) effect()      {}
func (Shutdown) effect()  {}
func (Drain) effect()     {}
func (Wait) effect()      {}
func (Finish) effect()    {}
