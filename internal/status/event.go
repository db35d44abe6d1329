package status

import "time"

// Kind says what an event is about.
type Kind string

// The kinds of events, and the fields that each has besides Seq, Time and Kind.
const (
	StateEntered   Kind = "state"    // State, From, ElapsedMS, Attempt; How, Snapshot, Services, Cause where they are known
	Progressed     Kind = "progress" // Progress
	ServiceChanged Kind = "service"  // Service, Healthy, Detail
	DiskChanged    Kind = "disk"     // DiskFull
	Noted          Kind = "notice"   // Text, Warning
	Ended          Kind = "ended"    // State, Cause: the last event of all
)

// Event is one thing that has happened to an instance.
type Event struct {
	Seq  uint64    `json:"seq"` // counts the events of one run from 1; of progress only the latest is told to who comes later
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`

	State     string    `json:"state,omitempty"`     // where the instance stands now: see docs/architecture.md
	From      string    `json:"from,omitempty"`      // where it stood before
	ElapsedMS int64     `json:"elapsedMs,omitempty"` // since the start was asked for, or the stop, in milliseconds
	Attempt   string    `json:"attempt,omitempty"`   // ties messages of one start attempt together
	How       string    `json:"how,omitempty"`       // it is ready: by HowCold, HowResume or HowAdopt
	Adopted   time.Time `json:"adopted,omitzero"`    // when it had become ready under a former supervisor
	Snapshot  string    `json:"snapshot,omitempty"`  // key of the snapshot that it was resumed from
	Services  []Place   `json:"services,omitempty"`  // where they are; while it captures, nobody else is served there
	Cause     string    `json:"cause,omitempty"`     // why, when something went wrong: one path of words

	Progress *Progress `json:"progress,omitempty"`

	Service string `json:"service,omitempty"`
	Healthy bool   `json:"healthy,omitempty"`
	Detail  string `json:"detail,omitempty"` // what the service answered, when it is not healthy

	DiskFull bool `json:"diskFull,omitempty"` // there is no room for what the guest writes: it is paused until there is

	Text    string `json:"text,omitempty"` // a line for people
	Warning bool   `json:"warning,omitempty"`
}
