package trace

import (
	"encoding/json"
	"path"
	"time"
)

// Record is one line of a message log. Its JSON is the documented one, of the log as of `stackemu trace --json`.
type Record struct {
	Time     time.Time       `json:"time"`
	MonoUS   int64           `json:"mono_us"`
	Kind     string          `json:"kind,omitempty"`
	Seq      uint64          `json:"seq"`
	Parent   uint64          `json:"parent,omitempty"`
	Instance string          `json:"instance,omitempty"`
	Attempt  string          `json:"attempt,omitempty"`
	From     string          `json:"from,omitempty"`
	To       string          `json:"to,omitempty"`
	Type     string          `json:"type,omitempty"`
	State    string          `json:"state,omitempty"`
	Next     string          `json:"next,omitempty"`
	WaitUS   int64           `json:"wait_us"`
	TookUS   int64           `json:"took_us"`
	Off      string          `json:"off,omitempty"`
	OffUS    int64           `json:"off_us,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"`
	Failure  string          `json:"failure,omitempty"`
	Stack    string          `json:"stack,omitempty"`

	guess uint64 // the cause that is more likely than the parent (see link)
}

// The kinds, as internal/msglog writes them.
const (
	kindRun        = "run"
	kindExternal   = "external"
	kindFailure    = "failure"
	kindDeadLetter = "dead-letter"
	kindDropped    = "dropped"
)

// The ways off the mailbox.
const (
	offWork  = "work"
	offTimer = "timer"
	offEvent = "event"
)

// Took is how long it was handled, or, of something outside, how long it was waited for.
func (r *Record) Took() time.Duration { return time.Duration(r.TookUS) * time.Microsecond }

// Duration is the time that the record accounts for: the work or the timer behind it, and its handling.
func (r *Record) Duration() time.Duration {
	if r.Off == offEvent {
		return r.Took() // nobody worked on an event
	}
	return time.Duration(r.OffUS+r.TookUS) * time.Microsecond
}

// begins is when the time that the record accounts for begins: work before it was told.
func (r *Record) begins() time.Time {
	return r.sent().Add(r.Took() - r.Duration())
}

// sent is when it went into the mailbox.
func (r *Record) sent() time.Time { return r.Time.Add(-time.Duration(r.WaitUS) * time.Microsecond) }

func (r *Record) ends() time.Time { return r.Time.Add(r.Took()) }

// lane is the actor that the record belongs to, as a path.
func (r *Record) lane() string {
	if r.Kind == kindExternal {
		return r.From
	}
	return r.To
}

// body reads one text of the body.
func (r *Record) body(key string) string {
	var fields map[string]json.RawMessage
	var text string
	if json.Unmarshal(r.Body, &fields) != nil || json.Unmarshal(fields[key], &text) != nil {
		return ""
	}
	return text
}

// flag reads one truth value of the body.
func (r *Record) flag(key string) bool {
	var fields map[string]json.RawMessage
	var yes bool
	return json.Unmarshal(r.Body, &fields) == nil && json.Unmarshal(fields[key], &yes) == nil && yes
}

// short is the last element of an actor's path.
func short(actor string) string {
	if actor == "" {
		return ""
	}
	return path.Base(actor)
}

// emulator is the path of the actor whose states are those of the instance.
func (r *Record) isEmulator() bool { return r.To == "fleet/"+r.Instance && r.Instance != "" }
