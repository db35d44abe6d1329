package trace

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Explain tells in plain words where the time of a start went, what went wrong, why, and what was done about it.
func Explain(out io.Writer, s *Start) error {
	e := explanation{s: s}
	e.verdict()
	e.times()
	e.longest()
	e.troubles()
	e.notices()
	e.waiting()
	_, err := io.WriteString(out, e.text.String())
	return err
}

type explanation struct {
	s    *Start
	text strings.Builder
	told []string // causes that have been told
}

func (e *explanation) printf(format string, args ...any) { fmt.Fprintf(&e.text, format, args...) }

func (e *explanation) verdict() {
	s, took := e.s, seconds(e.s.Took())
	if s.Recovery {
		e.printf("%s was ready and lost its VM.\n", s.Instance)
	}
	switch s.Outcome {
	case "ready":
		how := s.How()
		if how != "" {
			how = " by a " + how
		}
		if slices.ContainsFunc(s.Steps, func(rec *Record) bool { return rec.Next == "capturing" }) {
			how += ", after it had captured a snapshot"
		}
		again := ""
		if s.Recovery {
			again = " again"
		}
		e.printf("%s became ready%s in %s s%s.\n", s.Instance, again, took, how)
	case "":
		e.printf("%s has not become ready so far: after %s s it is %s.\n", s.Instance, took, s.Steps[len(s.Steps)-1].Next)
	case "stopped":
		e.printf("%s was stopped after %s s, before it was ready.\n", s.Instance, took)
	default:
		e.printf("%s %s after %s s.\n", s.Instance, s.Outcome, took)
	}
}

// times is the critical chain: its parts make up the whole time.
func (e *explanation) times() {
	var words []string
	var rest time.Duration
	for _, p := range e.s.chain() {
		if p.label == messages || p.took < 5*time.Millisecond {
			rest += p.took
			continue
		}
		words = append(words, seconds(p.took)+" "+p.label)
	}
	if rest >= 5*time.Millisecond {
		words = append(words, seconds(rest)+" messages and what is too short to be named")
	}
	if len(words) > 0 {
		e.printf("%s s: %s.\n", seconds(e.s.Took()), strings.Join(words, ", "))
	}
}

// longest tells more of the part that took the most.
func (e *explanation) longest() {
	parts := e.s.chain()
	if len(parts) == 0 || e.s.Took() <= 0 {
		return
	}
	p := slices.MaxFunc(parts, func(a, b part) int { return int(a.took - b.took) })
	e.printf("The longest part is %s, %d %% of it.", p.label, int(100*p.took/e.s.Took()))
	if p.label == probes {
		e.printf(" %s was the last service to become healthy.", p.ends.Detail)
		if words := e.s.illness(p.ends.Detail); words != "" {
			e.printf(" Before that: %s.", words)
		}
	}
	if inside := e.s.inside(p.ends); inside != "" {
		e.printf(" In it: %s.", inside)
	}
	e.printf("\n")
}

// illness is what a service said when it was last not healthy.
func (s *Start) illness(service string) (words string) {
	for _, rec := range s.Records {
		if rec.Type == "probed" && rec.Detail == service && rec.Failure != "" {
			words = rec.Failure
		}
	}
	return words
}

// inside tells what work was waiting for outside, and what the guest says of its own time.
func (s *Start) inside(result *Record) string {
	var words []string
	if cause := s.run.cause(result); cause != nil && result.Off == offWork {
		for _, rec := range s.run.effects(cause) {
			if rec.Kind == kindExternal && rec.From == result.To && rec.Took() >= time.Millisecond && !rec.Time.Before(result.begins()) {
				words = append(words, fmt.Sprintf("%s %s %s s", rec.To, rec.Type, seconds(rec.Took())))
			}
		}
	}
	for _, rec := range s.run.effects(result) {
		if rec.Type != "GuestRefreshed" {
			continue
		}
		var body struct {
			Steps []struct {
				Name   string        `json:"name"`
				TookNS time.Duration `json:"tookNs"`
			} `json:"steps"`
		}
		_ = json.Unmarshal(rec.Body, &body)
		for _, step := range body.Steps {
			words = append(words, fmt.Sprintf("in the guest %s %s s", step.Name, seconds(step.TookNS)))
		}
	}
	return strings.Join(words, ", ")
}

// trouble is one failure, with what was done about it.
type trouble struct {
	rec                *Record
	while, cause, then string
}

// troubles are the failures in their order, each with what followed.
func (e *explanation) troubles() {
	all := e.s.failures()
	for _, t := range e.s.setbacks() {
		if !slices.ContainsFunc(all, func(known trouble) bool {
			return t.rec.Kind == kindFailure && strings.Contains(known.cause, t.rec.Failure)
		}) {
			all = append(all, t)
		}
	}
	slices.SortStableFunc(all, func(a, b trouble) int { return cmp.Compare(a.rec.Seq, b.rec.Seq) })
	if len(all) > 0 {
		e.printf("What went wrong:\n")
	}
	for n, t := range all {
		words := indent(t.cause)
		if same := slices.Index(e.told, t.cause); same >= 0 {
			words = fmt.Sprintf("the same as %d.", same+1)
		}
		e.told = append(e.told, t.cause)
		e.printf("%2d. after %s s, while %s: %s\n    %s\n", n+1, seconds(t.rec.Time.Sub(e.s.Began)), t.while, words, t.then)
	}
}

// failures are what took the machine down.
func (s *Start) failures() (all []trouble) {
	for n, rec := range s.Steps {
		if rec.Next == "draining" || rec.Next == "failed" && rec.State != "draining" {
			all = append(all, trouble{rec, rec.State, s.causeOf(rec), s.consequence(n)})
		}
	}
	return all
}

// setbacks are what could be dealt with while the machine ran on.
func (s *Start) setbacks() (all []trouble) {
	for _, rec := range s.Records {
		if (rec.Kind == kindFailure || rec.Type == "MonitorLost") && s.wished(rec) {
			continue
		}
		add := func(while, cause, then string) {
			all = append(all, trouble{rec, orUnknown(while), cause, then})
		}
		switch {
		case rec.Kind == kindFailure:
			add(rec.State, short(rec.From)+" failed: "+rec.Failure, s.replacement(rec))
		case rec.Stack != "":
			add(rec.State, short(rec.To)+": "+rec.Failure, "This is a bug of stackemu: `stackemu bug-report` packs what is needed to find it.")
		case rec.Type == "RefreshFailed" && s.refreshedAgain(rec):
			add(rec.State, orUnknown(rec.body("cause")), "The refresh was tried once more.")
		case rec.Type == "SnapshotBroken":
			add(rec.State, orUnknown(rec.body("cause")), s.afterSnapshot(rec))
		case rec.Type == "MonitorLost" && s.successor(rec) != "":
			add(rec.State, short(rec.From)+" lost its connection: "+rec.body("cause"), s.replacement(rec))
		}
	}
	return all
}

// refreshedAgain tells whether the same machine was asked once more, at once or when its agent was there.
func (s *Start) refreshedAgain(failed *Record) bool {
	return slices.ContainsFunc(s.Records, func(r *Record) bool {
		return r.Type == "RefreshGuest" && r.Seq > failed.Seq && r.Attempt == failed.Attempt
	})
}

// endings are the messages that ask for the end of a machine.
var endings = map[string]bool{"QuitMachine": true, "TerminateMachine": true, "PowerOffGuest": true, "PressPowerButton": true}

// wished tells whether the end of the machine had been asked for: then nothing is wrong with losing what spoke to it.
func (s *Start) wished(lost *Record) bool {
	return slices.ContainsFunc(s.Records, func(r *Record) bool {
		return endings[r.Type] && r.Seq < lost.Seq && generation(r.To) == generation(lost.From)
	})
}

// afterSnapshot tells what was done instead of resuming a snapshot that could not be used.
func (s *Start) afterSnapshot(broken *Record) string {
	for _, step := range s.Steps {
		if step.Seq < broken.Seq {
			continue
		}
		switch step.Next {
		case "capturing":
			return "stackemu captured a new one."
		case "cold-booting":
			return "stackemu booted from the disk instead."
		}
	}
	return "stackemu went on without it."
}

// causeOf is why a step led to a failure: in the words for the user, where there are some.
func (s *Start) causeOf(step *Record) string {
	var words string
	for _, rec := range s.run.effects(step) {
		switch {
		case rec.Type == "StateChanged" && rec.body("cause") != "", rec.Type == "InstanceEnded" && rec.body("cause") != "":
			return rec.body("cause")
		case rec.Type == "Notice" && rec.flag("warning"):
			words = fellBack.ReplaceAllString(rec.body("text"), "")
		}
	}
	if words != "" {
		return words
	}
	for _, words := range []string{step.body("cause"), step.Failure, step.Detail} {
		if words != "" {
			return words
		}
	}
	return "for no reason that was told (" + step.Type + ")"
}

// fellBack is what the warning of a fallback ends with: here it is told in other words.
var fellBack = regexp.MustCompile(` \(after [^)]*\); boots from its disk instead$`)

// consequences are the words for where a start goes on after a failure.
var consequences = map[string]string{
	"capturing":    "started again, to capture a snapshot",
	"resuming":     "resumed again",
	"cold-booting": "booted from the disk instead",
	"adopting":     "took over a VM that was there",
}

// consequence tells what was done about the failure that is step n.
func (s *Start) consequence(n int) string {
	if s.Steps[n].Next == "failed" {
		return "stackemu gave up: another try would have ended the same way."
	}
	words := "stackemu took down what was left of the VM"
	for _, rec := range s.Steps[n+1:] {
		switch rec.Next {
		case "draining", "preparing":
		case "backoff":
			words += ", paused"
		case "failed":
			return words + ", and gave up."
		case "stopped":
			return words + "."
		default:
			then := consequences[rec.Next]
			if s.Recovery || slices.ContainsFunc(s.Steps[:n], func(earlier *Record) bool { return earlier.Next == rec.Next }) {
				then = map[string]string{"cold-booting": "booted it again from its disk", "resuming": "resumed it again"}[rec.Next]
			}
			if then == "" {
				then = "went on with " + rec.Next
			}
			return words + ", and " + then + "."
		}
	}
	return words + "."
}

// replacement tells who took the place of an actor that has failed.
func (s *Start) replacement(failed *Record) string {
	if name := s.successor(failed); name != "" {
		return name + " took its place; the VM was not touched."
	}
	return "Nobody took its place."
}

func (s *Start) successor(failed *Record) string {
	for _, rec := range s.Records {
		if rec.Seq > failed.Seq && rec.Type == "Started" && strings.HasPrefix(rec.To, place(failed.From)+".") {
			return short(rec.To)
		}
	}
	return ""
}

// place is an actor's path without the number of the successor.
func place(actor string) string {
	name := short(actor)
	if n := strings.LastIndexByte(name, '.'); n > 0 {
		return actor[:len(actor)-len(name)+n]
	}
	return actor
}

// notices are what else the user was told.
func (e *explanation) notices() {
	first := true
	for _, rec := range e.s.Records {
		text := rec.body("text")
		if rec.Type != "Notice" || rec.To != "fleet" || slices.ContainsFunc(e.told, func(told string) bool { return strings.Contains(text, told) }) {
			continue
		}
		if first {
			e.printf("What the user was told:\n")
			first = false
		}
		mark := "-"
		if rec.flag("warning") {
			mark = "!"
		}
		e.printf("  %s after %s s: %s\n", mark, seconds(rec.Time.Sub(e.s.Began)), indent(text))
	}
}

// waiting tells, of a start that goes on or was given up, what the services say.
func (e *explanation) waiting() {
	if e.s.Outcome == "ready" {
		return
	}
	state, order := map[string]*Record{}, []string(nil)
	for _, rec := range e.s.Records {
		if rec.Type == "probed" && rec.Detail != "" {
			if state[rec.Detail] == nil {
				order = append(order, rec.Detail)
			}
			state[rec.Detail] = rec
		}
	}
	slices.Sort(order)
	for _, service := range order {
		if words := state[service].Failure; words != "" {
			e.printf("%s was not healthy: %s.\n", service, words)
		}
	}
}

func orUnknown(words string) string {
	if words == "" {
		return "unknown"
	}
	return words
}

// indent keeps the lines of a text together.
func indent(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") }

// seconds writes a duration as people compare it: in seconds, more exact when short.
func seconds(d time.Duration) string {
	if d < 10*time.Millisecond && d > 0 {
		return fmt.Sprintf("%.3f", d.Seconds())
	}
	return fmt.Sprintf("%.2f", d.Seconds())
}
