package trace

import (
	"time"
)

// Start is one way of an instance to ready, with all that went wrong on it: a resume that has failed and the boot after it are one
// start. It begins with the wish, or, of a machine that was lost, with the loss.
type Start struct {
	Instance string
	Recovery bool // it was ready before
	Began    time.Time
	Ended    time.Time // of the last record so far, while it goes on
	Outcome  string    // ready, failed or stopped; empty while it goes on
	Records  []*Record // all that happened meanwhile, in order
	Steps    []*Record // the changes of state, the first one included

	run *Run
}

// Starts finds the starts of all runs, in order.
func (l *Log) Starts() (all []*Start) {
	for _, run := range l.Runs {
		all = append(all, run.starts()...)
	}
	return all
}

// Last is the last start; nil without one.
func (l *Log) Last() *Start {
	for n := len(l.Runs) - 1; n >= 0; n-- {
		if all := l.Runs[n].starts(); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return nil
}

// terminal are the states that end a start.
var terminal = map[string]bool{"ready": true, "failed": true, "stopped": true}

func (r *Run) starts() (all []*Start) {
	var now *Start
	for _, rec := range r.Records {
		if rec.isEmulator() && rec.Kind == "" && rec.Next != "" {
			begins := now == nil && (rec.State == "absent" || rec.State == "ready" && rec.Next == "draining")
			if begins {
				now = &Start{Instance: rec.Instance, Recovery: rec.State == "ready", Began: rec.sent(), run: r}
				all = append(all, now)
			}
			if now != nil {
				now.Steps = append(now.Steps, rec)
				if terminal[rec.Next] {
					now.Outcome = rec.Next
					now.end(rec)
					now = nil
				}
			}
		}
		if now != nil {
			now.Ended = rec.ends()
		}
	}
	for _, s := range all {
		s.gather()
	}
	return all
}

func (s *Start) end(last *Record) { s.Ended = last.ends() }

// gather takes all that belongs to the start: what began before its end, and after its beginning, and what its last step led
// to.
func (s *Start) gather() {
	first, last := s.Steps[0], s.Steps[len(s.Steps)-1]
	for _, rec := range s.run.Records {
		inside := rec.Seq >= first.Seq && (s.Outcome == "" || rec.Seq <= last.Seq)
		if inside || rec.Parent == last.Seq && s.Outcome != "" && rec.Type != "Stopping" {
			s.Records = append(s.Records, rec)
		}
	}
}

// Took is how long it took, or has taken so far.
func (s *Start) Took() time.Duration { return s.Ended.Sub(s.Began) }

// How is the way by which it became ready, in words; empty if it did not.
func (s *Start) How() string {
	for _, rec := range s.Records {
		if rec.Type == "StateChanged" && rec.body("to") == "ready" {
			return rec.body("how")
		}
	}
	return ""
}

// Attempts are the ids of its attempts, in order.
func (s *Start) Attempts() (ids []string) {
	for _, rec := range s.Steps {
		if n := len(ids); rec.Attempt != "" && (n == 0 || ids[n-1] != rec.Attempt) {
			ids = append(ids, rec.Attempt)
		}
	}
	return ids
}
