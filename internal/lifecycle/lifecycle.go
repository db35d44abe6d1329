// Package lifecycle is the start-up state machine of one instance, with no actor, no clock and no I/O in it.
//
// [Instance.Step] takes what happened and when, moves to the next [State], and returns what is to be done about it as
// [Effect] values. The emulator actor feeds it and carries the effects out; tests feed it tables. The promises:
//
//   - A resume or a capture that fails is followed by a cold boot, once and at once.
//   - Every other failure has a way on: a new generation after a backoff while the [Policy] allows it, then [Failed] with the
//     causes of every generation that was lost.
//   - [Stop] is answered in every state, and always ends in [Stopped]: the shutdown ladder has a deadline on each rung
//     and its last rung needs nobody's consent.
//   - After [Finish] no effect is ever returned again.
package lifecycle

import (
	"errors"
	"fmt"
	"time"
)

// State is where an instance stands. Each value says what ends it.
type State uint8

// The states, in the order in which a good start passes through them.
const (
	Absent      State = iota // nothing has been done; ends with Start
	Preparing                // files, ports and accelerator are being made ready; ends with Prepared, PrepareFailed or ImageMissing
	Pulling                  // there is no image, and one is being pulled; ends with Pulled or PullFailed
	Capturing                // a guest boots to be captured; ends when every service is healthy
	Resuming                 // QEMU is being started and loads a snapshot or session; ends when the guest runs
	ColdBooting              // QEMU is being started and boots its disk; ends when the guest's agent has come up
	Adopting                 // a VM that a former supervisor left is taken over; ends when its monitor answers
	Refreshing               // the guest gets clock, entropy, mounts and secrets; ends when the host ports are open
	Probing                  // ends when every service is healthy and the key is published
	Ready                    // every service has answered; ends with a stop, or with the machine's death
	Saving                   // the machine is paused and written to disk; ends when that is published
	Draining                 // a lost generation is being taken down; ends with Drained
	Backoff                  // waits before the next generation; ends with BackoffOver
	Stopping                 // the guest is being shut down, rung by rung; ends with Drained
	Stopped                  // final: no process is left
	Failed                   // final: no process is left, the causes tell why
)

var stateNames = [...]string{"absent", "preparing", "pulling", "capturing", "resuming", "cold-booting", "adopting", "refreshing", "probing", "ready", "saving", "draining", "backoff", "stopping", "stopped", "failed"}

// String gives the name that users see in lines, logs and documents.
func (s State) String() string { return stateNames[s] }

// Final tells whether the instance has come to its end.
func (s State) Final() bool { return s == Stopped || s == Failed }

// Way is how a generation comes to life.
type Way uint8

// The ways.
const (
	Cold    Way = iota // it boots from its disk
	Capture            // so it does, to be captured; nobody is served
	Resume             // it goes on from a snapshot or from a saved session
	Adopt              // it runs already, ready: its supervisor is gone
)

var wayNames = [...]string{"cold boot", "capture", "resume", "adoption"}

// String gives the word that users see in lines and errors.
func (w Way) String() string { return wayNames[w] }

// Rung is one step of the shutdown ladder, from the kindest to the one that always works.
type Rung uint8

// The rungs in the order in which they are tried.
const (
	RungAgent Rung = iota // guest-shutdown through the guest agent
	RungACPI              // system_powerdown: the virtual power button
	RungQuit              // QMP quit: QEMU flushes its disks, the guest is not asked
	RungKill              // SIGKILL
)

var rungNames = [...]string{"agent", "acpi", "quit", "kill"}

// String gives the rung's name as logs have it.
func (r Rung) String() string { return rungNames[r] }

// Policy is every duration and limit of the state machine.
type Policy struct {
	PrepareTimeout time.Duration    // for files, accelerator probe and the end of a predecessor's VM
	BootTimeout    time.Duration    // from QEMU's start to the first answer of its monitor
	GuestTimeout   time.Duration    // from there until the guest gives a sign of life
	LoadTimeout    time.Duration    // for QEMU to load a snapshot or session
	RefreshTimeout time.Duration    // for the guest to take its clock, mounts and secrets, and for its ports to open
	ReadyTimeout   time.Duration    // from the guest's first answer of a cold boot until every service is healthy (EMULATOR_READY_TIMEOUT)
	WarmTimeout    time.Duration    // the same after a resume (EMULATOR_SNAPSHOT_READY_TIMEOUT)
	SaveTimeout    time.Duration    // for a machine to be written to disk
	SealTimeout    time.Duration    // for that to be published
	RungTimeouts   [3]time.Duration // how long the agent, ACPI and quit rungs may take; kill needs none
	DrainTimeout   time.Duration    // for the children of a lost generation to be gone
	MaxDeaths      int              // generations that may be lost inside Window before the instance is failed
	Window         time.Duration    // see MaxDeaths
	Backoff        [2]time.Duration // first pause before a new generation, and the longest one

	RequireSnapshot bool // a resume or a capture that fails is the end: no cold boot
}

// DefaultPolicy holds for every instance unless the user configures otherwise.
//
// A guest under TCG needs about 5 s for its own shutdown; 40 s leave room for a loaded machine. ACPI is tried for guests
// whose agent is gone, so it gets most of that again. A guest opens its agent's port 6 s after its start under TCG and 40 s on
// a host that has four times too much to do; one that has not done so by GuestTimeout stands still (docs/decisions/0007). QEMU
// answers quit within milliseconds unless it hangs. Preparing may have to wait for another process that captures.
func DefaultPolicy() Policy {
	return Policy{
		PrepareTimeout: 6 * time.Minute,
		BootTimeout:    30 * time.Second,
		GuestTimeout:   100 * time.Second,
		LoadTimeout:    30 * time.Second,
		RefreshTimeout: time.Minute,
		ReadyTimeout:   240 * time.Second,
		WarmTimeout:    45 * time.Second,
		SaveTimeout:    time.Minute,
		SealTimeout:    time.Minute,
		RungTimeouts:   [3]time.Duration{RungAgent: 40 * time.Second, RungACPI: 30 * time.Second, RungQuit: 5 * time.Second},
		DrainTimeout:   20 * time.Second,
		MaxDeaths:      3,
		Window:         10 * time.Minute,
		Backoff:        [2]time.Duration{500 * time.Millisecond, 15 * time.Second},
	}
}

// Instance is the memory of the state machine. It is owned by one goroutine.
type Instance struct {
	policy Policy
	state  State

	deaths []time.Time // lost generations inside the window
	causes []error     // why, in the same order, for the final error
	fatal  bool        // the last cause is not mended by another try

	// Of the present generation.
	way       Way
	sessions  bool // it can be saved
	open      bool // its services can be asked while it is brought up to date
	healthy   bool // they have all answered
	monitored bool // its monitor has answered
	alive     bool // its guest has given a sign of life
	opening   bool // while Capturing: its ports are open, or being opened
	saved     bool // while Saving: it is on disk

	captureOnly bool // the end is a snapshot, not a running instance
	pulled      bool // an image has been pulled
	captured    bool // there has been a capture
	cold        bool // a resume or a capture has failed: no other one
	fellBack    bool // the generation that drains is followed by a cold boot at once

	stopping    bool // Drained ends in Stopped
	interrupted bool // a stop was asked for
	rung        Rung // while Stopping
	unclean     bool // the guest was not shut down by itself
	finished    bool
}

// New makes an instance in state Absent.
func New(p Policy) *Instance { return &Instance{policy: p} }

// State is where the instance stands now.
func (i *Instance) State() State { return i.state }

// Rung is the rung of the shutdown ladder that is being tried; it means something in state Stopping only.
func (i *Instance) Rung() Rung { return i.rung }

// ErrUnclean is the outcome of a stop in which the guest was cut off instead of shut down. Its disk is intact as after a
// power cut: what it had not yet written is lost.
var ErrUnclean = errors.New("the guest was cut off before it had shut down")

// ErrNotCaptured is the outcome of a capture that was stopped before there was a snapshot.
var ErrNotCaptured = errors.New("stopped before the snapshot was captured")

// ErrGaveUp is in the chain of the outcome when the policy allowed no further generation.
var ErrGaveUp = errors.New("gave up")

// failure is the outcome of a failed instance: the chain of all causes, the last one first.
func (i *Instance) failure() error {
	if i.fatal || len(i.causes) == 1 {
		return i.causes[len(i.causes)-1]
	}
	chain := fmt.Errorf("%w after %d lost machines in %v: %w", ErrGaveUp, len(i.causes), i.policy.Window, i.causes[len(i.causes)-1])
	for n := len(i.causes) - 2; n >= 0; n-- {
		chain = fmt.Errorf("%w; before that: %w", chain, i.causes[n])
	}
	return chain
}
