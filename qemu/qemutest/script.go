package qemutest

import (
	"encoding/json"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// Script says what a fake QEMU does. The zero value boots, answers, has no agent and never ends by itself.
type Script struct {
	Version string       // "" is 10.0.2
	Accels  []qemu.Accel // under which the probe's firmware runs; nil is TCG alone. Under others it hangs
	Refuse  string       // an error about the command line: said on standard error before exit code 1

	Exit       *Exit // how it dies by itself
	IgnoreTerm bool  // SIGTERM changes nothing
	Monitor    Monitor
	Agent      *Agent // nil: the guest never opens the agent's port
	HTTP       *HTTP  // nil: nobody listens on the forwarded ports
	Guest      *Guest // nil: the guest has no programs but those of Agent.Execs, and knows nothing
}

// Exit is a death without being asked.
type Exit struct {
	After  time.Duration // since the start
	Stderr string        // last words
	Code   int
	Signal int // instead of the exit code
}

// Monitor is the QMP side of a fake QEMU.
type Monitor struct {
	Mute            bool          // accepts connections and says nothing
	Delay           time.Duration // before each answer
	Flood           int           // events behind each answer, in the same write
	Events          []Event
	Replies         map[string]json.RawMessage // results in the place of the usual ones, by command
	Errors          map[string]qmp.Error       // refusals, by command
	IgnorePowerdown bool
	PowerdownTakes  time.Duration // until a guest that was asked to is off
	IgnoreQuit      bool
	Migration       Migration
	Unplug          Unplug
}

// Migration is what comes of saves and loads. Without a fault they do what QEMU's do: files are written, and only a file
// of the right kind is loaded.
type Migration struct {
	Takes     time.Duration // until the end
	NoEvents  bool          // the MIGRATION events get lost
	SaveError string        // why saves fail
	LoadError string        // why loads fail; QEMU before 9.1 ends then, with exit code 1
	LoadHangs bool
	LoadDies  *Exit // After is not used
}

// Unplug is what the guest does when a device is to be removed.
type Unplug struct {
	Forgotten int  // so many requests go unheard
	Refused   bool // the others are refused
}

// Event is a QMP event.
type Event struct {
	After time.Duration // since a first client has negotiated
	Name  string
	Data  map[string]any
}

// Agent is the guest's agent.
type Agent struct {
	After          time.Duration        // since the start, until it opens its port; one that is resumed has it open
	Mute           bool                 // opens the port and says nothing
	Delay          time.Duration        // before each answer
	Execs          map[string]Exec      // by path and arguments, with blanks between, or else by path
	Errors         map[string]qmp.Error // refusals, by command
	IgnoreShutdown bool
	ShutdownTakes  time.Duration
}

// Exec is what a program in the guest does. A program that neither the script nor its [Guest] has is an error of guest-exec.
type Exec struct {
	Takes    time.Duration
	ExitCode int
	Stdout   string
	Stderr   string
	Echo     bool   // standard output is the input
	InputTo  string // file on the host that the input is written to

	work func() // what it does; its end is the program's
}

// HTTP is what the guest's services answer on every forwarded port. A [Guest] has its own answer at [ProjectPath].
type HTTP struct {
	After   time.Duration // since the start; those of a guest that is resumed run
	Status  int           // 0 is 200
	Resumed int           // the status of a guest that is resumed, if that is another one
	Body    string
}
