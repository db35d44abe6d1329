package actors

import (
	"context"

	"github.com/digitalocean/go-qemu/qmp"

	"github.com/stackemu/stackemu/messages"
)

// World is what the tree touches outside the process. The real one is [RealWorld]; tests have their own.
type World interface {
	// Open takes hold of an instance: its directory and its lock. It fails when another process has it.
	Open(ctx context.Context, name string) (Instance, error)
}

// Instance is an instance that this process holds. Close lets go of it; no process of it may be left.
type Instance interface {
	// MessagesLog is the path of the instance's message log.
	MessagesLog() string
	// Prepare makes everything ready that one generation needs. It may take long, and returns soon after ctx is done.
	Prepare(ctx context.Context) (*Boot, error)
	Close() error
}

// Boot is what one generation of an instance is made of. Close may be called at any time and more than once.
type Boot struct {
	Services []messages.Service // what the profile offers, for the user
	Checks   []Check            // how the prober sees that they are healthy
	Notes    []string           // lines for the user

	Launch      func() (Process, error)
	DialMonitor func(ctx context.Context, onEvent func(qmp.Event)) (MonitorConn, error)
	DialAgent   func(ctx context.Context) (AgentConn, error)
	Explain     func() string // the guest's last words, for the error of a start that failed; may be empty
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
	Status(ctx context.Context) (string, error)
	AgentOpen(ctx context.Context) (bool, error)
	Powerdown(ctx context.Context) error
	Quit(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
	Close() error
}

// AgentConn is a guest-agent channel. Every method is bound by its context.
type AgentConn interface {
	Sync(ctx context.Context) error
	Shutdown(ctx context.Context) error
	Close() error
}
