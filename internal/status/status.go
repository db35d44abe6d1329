package status

import (
	"slices"
	"time"
)

// Schema is the version of the JSON form.
const Schema = 1

// The states that others than the state machine of a supervisor know of.
const (
	Ready   = "ready"
	Stopped = "stopped"
	Failed  = "failed"

	// Orphaned is a VM that runs while its supervisor is gone: the next start takes care of it.
	Orphaned = "orphaned"
	// Unresponsive is a supervisor that holds the instance and does not answer.
	Unresponsive = "unresponsive"
)

// The ways to a ready instance.
const (
	HowCold   = "cold"   // its guest has booted
	HowResume = "resume" // it goes on from a snapshot or from where it was stopped
	HowAdopt  = "adopt"  // its VM ran already, without a supervisor
)

// Status is how an instance is.
type Status struct {
	Instance string `json:"instance"`
	State    string `json:"state"`
	Healthy  bool   `json:"healthy"`  // it is ready, and every service answers as it should
	Stopping bool   `json:"stopping"` // it was asked to stop, and has not yet

	Seq     uint64    `json:"seq"`              // of the last event that is in this status
	Since   time.Time `json:"since,omitzero"`   // when it entered its state
	Started time.Time `json:"started,omitzero"` // when its start was asked for
	ReadyAt time.Time `json:"readyAt,omitzero"` // when it was ready for the first time after that

	How       string `json:"how,omitempty"`       // how it became ready: HowCold, HowResume or HowAdopt
	ElapsedMS int64  `json:"elapsedMs,omitempty"` // from the start until it was ready, in milliseconds
	Why       string `json:"why,omitempty"`       // why it became ready that way, where there is more to say
	Snapshot  string `json:"snapshot,omitempty"`  // key of the snapshot that it was resumed from
	Image     string `json:"image,omitempty"`     // path of the image that new instances are made from
	Cause     string `json:"cause,omitempty"`     // of the last failure

	Progress *Progress `json:"progress,omitempty"` // of a long step of the start; nil when there is none to tell

	DiskFull bool `json:"diskFull,omitempty"` // there is no room for what the guest writes: it is paused until there is

	Services []Service `json:"services"`

	Supervisor *Supervisor `json:"supervisor,omitempty"` // nil when there is none
	VM         *VM         `json:"vm,omitempty"`         // nil when no QEMU runs
}

// Progress is how far a long step is.
type Progress struct {
	Doing  string  `json:"doing"`            // in a few words: "downloading"
	Done   int64   `json:"done"`             // bytes
	Total  int64   `json:"total,omitempty"`  // bytes; 0 when it is not known
	Rate   float64 `json:"rate,omitempty"`   // bytes per second; 0 when it is not known
	LeftMS int64   `json:"leftMs,omitempty"` // milliseconds; 0 when it is not known
	Note   string  `json:"note,omitempty"`   // what it waits for
}

// Service is one service of an instance.
type Service struct {
	Place
	Healthy bool   `json:"healthy"`
	Detail  string `json:"detail,omitempty"` // what it answered, when it is not healthy
}

// Place is where a service is.
type Place struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Health string `json:"health,omitempty"` // the URL that says 200 when it is well
	Port   int    `json:"port"`             // of 127.0.0.1
}

// Supervisor is the process that runs an instance.
type Supervisor struct {
	PID        int    `json:"pid"`
	Version    string `json:"version"`    // of the program
	Background bool   `json:"background"` // it has no terminal
	Goroutines int    `json:"goroutines,omitempty"`
}

// VM is the QEMU of an instance.
type VM struct {
	PID    int     `json:"pid"`
	Memory *Memory `json:"memory,omitempty"` // nil where the system does not tell
}

// Memory is what a process has in memory, in bytes.
type Memory struct {
	Private int64 `json:"private"` // it alone
	Shared  int64 `json:"shared"`  // others as well: with several instances, the pages of one snapshot
}

// Final tells whether a state is the end of a run.
func Final(state string) bool { return state == Stopped || state == Failed }

// Lasted tells whether the instance has been ready since its start.
func (s Status) Lasted() bool { return !s.ReadyAt.IsZero() }

// Service finds a service by its name.
func (s Status) Service(name string) (Service, bool) {
	n := slices.IndexFunc(s.Services, func(x Service) bool { return x.Name == name })
	if n < 0 {
		return Service{}, false
	}
	return s.Services[n], true
}
