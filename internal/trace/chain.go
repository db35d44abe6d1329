package trace

import (
	"slices"
	"time"
)

// part is a stretch of the critical chain: what passed between a message and the one that it led to.
type part struct {
	label string
	took  time.Duration
	ends  *Record // with which it ended
	count int     // of stretches in it
}

// chain goes back from the last step to the beginning, over causes: had any part of it been shorter, the start would have been.
func (s *Start) chain() []part {
	last := s.last()
	var parts []part
	until := s.Ended
	for rec := last; rec != nil; rec = s.run.cause(rec) {
		from := s.Began
		if cause := s.run.cause(rec); cause != nil && rec.Seq > s.Steps[0].Seq {
			from = later(cause.Time, s.Began)
		}
		if rec.Off == "" || rec.OffUS == 0 && rec.Off == offWork {
			parts = append(parts, part{messages, until.Sub(from), rec, 1})
		} else { // the result lay in the mailbox, and was handled
			sent := later(rec.sent(), from)
			parts = append(parts, part{messages, until.Sub(sent), rec, 0}, part{s.label(rec), sent.Sub(from), rec, 1})
		}
		until = from
		if !from.After(s.Began) {
			break
		}
	}
	if rest := until.Sub(s.Began); rest > 0 { // the cause of the oldest one is not known
		parts = append(parts, part{"unknown", rest, s.Steps[0], 1})
	}
	slices.Reverse(parts)
	return merged(parts)
}

// last is the record that ended the start. While it goes on, it is the last one that the emulator has handled.
func (s *Start) last() *Record {
	if s.Outcome != "" {
		return s.Steps[len(s.Steps)-1]
	}
	for _, rec := range slices.Backward(s.Records) {
		if rec.isEmulator() && rec.Kind == "" {
			return rec
		}
	}
	return s.Steps[0]
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// merged joins parts of one label, where the first of them was, and leaves out those that took no time.
func merged(parts []part) (all []part) {
	for _, p := range parts {
		if p.took < 0 { // a clock that was set
			p.took = 0
		}
		n := slices.IndexFunc(all, func(known part) bool { return known.label == p.label })
		if n < 0 {
			all = append(all, p)
			continue
		}
		if p.took >= all[n].took || p.label == probes {
			all[n].ends = p.ends
		}
		all[n].took += p.took
		all[n].count += p.count
	}
	return all
}

const (
	messages = "messages"
	probes   = "probes"
)

// labels are the words for what leads to a message of a type.
var labels = map[string]string{
	"surveyed":     "survey",
	"found":        "snapshot check",
	"prepared":     "preparation",
	"launched":     "exec",
	"negotiated":   "exec",
	"synced":       "agent",
	"probed":       probes,
	"probeDue":     probes,
	"confirmed":    "confirmation",
	"reaped":       "until QEMU ended",
	"published":    "publishing the snapshot",
	"sealed":       "publishing the session",
	"named":        "names of the snapshot",
	"pulled":       "pull of the image",
	"backoffOver":  "pause",
	"successorDue": "pause before a successor",
	"hungUp":       "until the monitor's connection broke",
}

// commands are the words for the answer to a command.
var commands = map[string]string{
	"RefreshGuest": "guest refresh",
	"QuietGuest":   "writing the guest's caches",
	"LoadState":    "load",
	"SaveState":    "save",
	"OpenPorts":    "ports",

	"TerminateMachine": "end of QEMU",
	"QuitMachine":      "end of QEMU",
	"PowerOffGuest":    "end of the guest",
	"PressPowerButton": "end of the guest",
}

// events are the words for what QEMU has told of.
var events = map[string]string{
	"VSERPORT_CHANGE": "guest boot",
	"SHUTDOWN":        "end of QEMU",
}

func (s *Start) label(r *Record) string {
	if cause := s.run.cause(r); cause != nil {
		if words := commands[cause.Type]; words != "" {
			return words
		}
	}
	switch r.Type {
	case "happened":
		if words := events[r.Detail]; words != "" {
			return words
		}
		return "QEMU's " + r.Detail
	case "deadlinePassed":
		return "waiting in vain for " + orUnknown(r.Detail)
	}
	if words := labels[r.Type]; words != "" {
		return words
	}
	return r.Type
}
