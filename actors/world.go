package actors

import (
	"context"
	"time"

	"github.com/digitalocean/go-qemu/qmp"

	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu/qga"
)

// World is what the tree touches outside the process. The real one is [RealWorld]; tests have their own.
type World interface {
	// Open takes hold of an instance: its directory and its lock. It fails when another process has it.
	Open(ctx context.Context, name string) (Instance, error)
	// OpenCapture takes hold of the place where a snapshot is captured for nobody in particular. It waits while another
	// process has it.
	OpenCapture(ctx context.Context) (Instance, error)
	// Snapshots is where snapshots are kept. The store owns it.
	Snapshots() *snapshot.Store
}

// Instance is an instance that this process holds. Close lets go of it; no process of it may be left.
type Instance interface {
	// MessagesLog is the path of the instance's message log.
	MessagesLog() string
	// Survey finds out what a generation can be made of. It may take long, as Prepare, and returns soon after ctx is done.
	Survey(ctx context.Context, limits lifecycle.Prepare) (Survey, error)
	// Prepare makes everything ready that one generation needs. It follows a Survey.
	Prepare(ctx context.Context, choice Choice) (*Boot, error)
	Close() error
}

// Survey is what an instance has found out about itself.
type Survey struct {
	Missing *MissingImage          // it needs an image, and there is none; then nothing else is known. Nil for what it has
	Want    *messages.WantSnapshot // a snapshot that it would like to start from; nil for none
	Notes   []string               // lines for the user
}

// MissingImage is the image that an instance needs and that has to be pulled first.
type MissingImage struct {
	Request image.Request
	Err     error // what is missing, where it cannot be pulled
}

// Choice is what a generation starts from. The zero Choice is the instance's own session or disk, and the image when it
// has neither.
type Choice struct {
	Snapshot *messages.SnapshotGranted // resume it
	Capture  *messages.CaptureGranted  // boot the image, to capture it
}

// Boot is what one generation of an instance is made of. Close may be called at any time and more than once.
type Boot struct {
	Way      lifecycle.Way
	Sessions bool               // a stop can save it
	Open     bool               // its services can be reached from its first step on, and run on while it is brought up to date
	Ready    time.Time          // when it had become ready under a former supervisor; zero if it has had none
	Services []messages.Service // what the profile offers, for the user
	Checks   []Check            // how the prober sees that they are healthy
	Notes    []string           // lines for the user

	Launch      func() (Process, error)
	DialMonitor func(ctx context.Context, onEvent func(qmp.Event)) (MonitorConn, error)
	DialAgent   func(ctx context.Context) (AgentConn, error)
	AskTools    func(ctx context.Context) (guestapi.Result, error) // AgentConn.Refresh by the guest's tools at their port; toolport.ErrUnheard
	Confirm     func() error                                       // makes known that it is ready: publishes its key
	Seal        func(ctx context.Context) error                    // publishes the session that was saved
	Name        func() error                                       // gives a snapshot that was published its other names; nil for none
	Manifest    func() snapshot.Manifest                           // of the snapshot that was captured
	Wall        func() time.Time                                   // the host's wall clock; nil for the system's
	Explain     func() string                                      // the guest's last words, for the error of a start that failed; may be empty
	Close       func() error
}

// Check asks one service once. Nil means healthy; the error says in a few words what it answered.
type Check struct {
	Service string
	Probe   func(ctx context.Context) error
}

// Process is a running QEMU. Err means something once Done is closed: nil after exit code 0.
type Process interface {
	PID() int
	Done() <-chan struct{}
	Err() error
	Kill()
}

// MonitorConn is a negotiated QMP channel. Every method is bound by its context.
type MonitorConn interface {
	Version() string
	Status(ctx context.Context) (string, error) // query-status: running, paused, io-error ...
	Cont(ctx context.Context) error
	Ports(ctx context.Context) (agent, tools bool, err error) // whether the guest has opened them
	Load(ctx context.Context) error                           // the snapshot or session that QEMU waits for; the guest runs afterwards
	OpenPorts(ctx context.Context) error                      // lets the host ports lead to the guest
	Save(ctx context.Context) error                           // pauses and writes the machine; after an error the guest runs on
	Powerdown(ctx context.Context) error
	Quit(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
	Close() error
}

// AgentConn is a guest-agent channel. Every method is bound by its context.
type AgentConn interface {
	Sync(ctx context.Context) error
	Refresh(ctx context.Context) (guestapi.Result, error) // clock, entropy, mounts, secrets
	SetClock(ctx context.Context) error                   // to the host's time
	Quiet(ctx context.Context) error                      // before the machine is saved
	Exec(ctx context.Context, path string, args []string, stdin []byte) (*qga.ExecResult, error)
	Shutdown(ctx context.Context) error
	Close() error
}
