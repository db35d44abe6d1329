package tracetest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/internal/trace"
)

// cutShort is how long before the end of what a process has written a failure may be that nothing follows: the process was killed.
// What follows a failure comes at once, or after a pause of up to two seconds.
const cutShort = 5 * time.Second

// Unhandled lists the failures in an instance's log after which nothing is told that deals with them, and every panic, which nothing
// makes good. An actor that has failed has a successor in its place; a machine that is lost, a stage that has failed and a generation
// that is taken down each lead to another state.
func Unhandled(l *trace.Log) (loose []string) {
	for _, run := range l.Runs {
		for n, r := range run.Records {
			if strings.Contains(r.Failure, "panic:") {
				loose = append(loose, tell(r, "a panic"))
			}
			end := run.Records[len(run.Records)-1]
			if terminal(end.Next) || terminal(end.State) || end.Time.Sub(r.Time) > cutShort {
				if missing := missing(r, run.Records, run.Records[n+1:]); missing != "" {
					loose = append(loose, tell(r, "no "+missing+" follows"))
				}
			}
		}
	}
	return loose
}

func tell(r *trace.Record, what string) string {
	return fmt.Sprintf("%s %s, from %s to %s in state %s: %s %s", r.Time.Format(time.RFC3339Nano), r.Type, r.From, r.To, r.State, what, r.Failure)
}

func terminal(state string) bool { return state == "stopped" || state == "failed" }

// ending are the states in which nobody gets a successor.
var ending = []string{"saving", "stopping", "draining", "stopped", "failed"}

// missing is what should follow a record and does not. The end of an actor may stand before its failure: it was being stopped for another
// reason, and its supervisor heard of the failure later. An address is used once in a run.
func missing(r *trace.Record, all, later []*trace.Record) string {
	emulator := "fleet/" + r.Instance
	moves := func(s *trace.Record) bool { return s.To == emulator && s.Next != "" }
	switch {
	case r.Kind == string(msglog.Failure):
		gone := func(s *trace.Record) bool { return s.To == r.From && s.Type == "Stopped" }
		replaced := func(s *trace.Record) bool {
			return s.Type == "Started" && place(s.To) == place(r.From) && s.To != r.From
		}
		if !slices.ContainsFunc(all, gone) {
			return "end of the actor"
		}
		if r.To == emulator && !slices.Contains(ending, r.State) && !slices.ContainsFunc(later, replaced) && !slices.ContainsFunc(later, moves) {
			return "successor, and no other state,"
		}
	case r.To != emulator || r.Kind != "":
	case r.Next == "draining", r.Type == "MachineExited" && r.Next == "", r.Type == "StageFailed" && r.Next == "" && !slices.Contains(ending, r.State):
		if !slices.ContainsFunc(later, moves) {
			return "other state"
		}
	case r.Type == "RefreshFailed" && r.Next == "" && !slices.Contains(ending, r.State):
		again := func(s *trace.Record) bool { return s.Type == "RefreshGuest" && s.From == emulator }
		if !slices.ContainsFunc(later, again) && !slices.ContainsFunc(later, moves) {
			return "other try, and no other state,"
		}
	}
	return ""
}

// place is the name of an actor without the number of its predecessors.
func place(actor string) string {
	return path.Join(path.Dir(actor), successors.ReplaceAllString(path.Base(actor), "$1"))
}

var successors = regexp.MustCompile(`^([a-z]+-\d+)\.\d+$`)
