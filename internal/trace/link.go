package trace

import (
	"path"
	"slices"
	"strings"
)

// link puts the records of a run in order and finds the causes that the library does not tell: it stops an actor without saying
// on whose behalf, and tells of its end without saying what ended it.
func (r *Run) link() {
	r.linked = len(r.Records)
	slices.SortStableFunc(r.Records, func(a, b *Record) int {
		if a.Seq < b.Seq {
			return -1
		}
		return int(min(a.Seq-b.Seq, 1))
	})
	last := map[string]*Record{}    // by actor
	stopped := map[string]*Record{} // the end of each actor
	asked := map[string]*Record{}   // what was done to each machine
	for _, rec := range r.Records {
		if rec.Kind == "" && (rec.Parent == 0 || rec.Off == offEvent) {
			if cause := guess(rec, last, stopped, asked); cause != nil && cause.Seq > rec.Parent {
				rec.guess = cause.Seq
			}
		}
		if rec.Kind == "" {
			last[rec.To] = rec
		}
		if doings[rec.Type] {
			asked[generation(rec.To)] = rec
		}
		if rec.Type == "Stopped" {
			stopped[rec.To] = rec
		}
	}
	r.led = map[uint64][]*Record{}
	for _, rec := range r.Records {
		if cause := r.cause(rec); cause != nil {
			r.led[cause.Seq] = append(r.led[cause.Seq], rec)
		}
	}
}

// doings are the messages that make something happen to a machine. What its process or its monitor then tells of is a consequence,
// though what listens has been set up long before.
var doings = map[string]bool{"LoadState": true, "SaveState": true, "TerminateMachine": true, "QuitMachine": true, "PressPowerButton": true, "PowerOffGuest": true}

// generation is the instance and the number that the actors around one machine share: fleet/default and 1 of
// fleet/default/monitor-1.2.
func generation(actor string) string {
	name := short(place(actor))
	return path.Dir(actor) + name[strings.LastIndexByte(name, '-')+1:]
}

func guess(r *Record, last, stopped, asked map[string]*Record) *Record {
	if r.Off == offEvent {
		return asked[generation(r.To)]
	}
	switch r.Type {
	case "Started", "Stopping":
		return last[path.Dir(r.To)] // what its parent was doing
	case "Stopped":
		return last[r.To]
	case "Terminated":
		return stopped[r.From]
	}
	return nil
}

// cause is the record that led to r; nil at the beginning, or where a cause is no longer in the log.
func (r *Run) cause(rec *Record) *Record {
	if rec.guess != 0 {
		return r.by[rec.guess]
	}
	if rec.Parent >= rec.Seq {
		return nil // a cause has a smaller number: a damaged log must not lead in circles
	}
	return r.by[rec.Parent]
}

// effects are the records that one led to, in order.
func (r *Run) effects(of *Record) []*Record { return r.led[of.Seq] }
