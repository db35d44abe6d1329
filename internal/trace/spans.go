package trace

import (
	"slices"
	"time"
)

// Span is a stretch of a start, with those that are within it.
type Span struct {
	Kind     string // start, attempt, state, work, probes or external
	Name     string
	Began    time.Time
	Ended    time.Time
	Actor    string // who has worked or waited, as a path
	Attempt  string
	Failure  string // what was wrong in the end
	Count    int    // of probes
	Events   []SpanEvent
	Children []*Span
}

// SpanEvent is something that has happened in a start and took no time worth mentioning.
type SpanEvent struct {
	At   time.Time
	Name string
	Text string
}

// Spans are where the time of a start went: an attempt has the states that it went through, a state the work that was done in it,
// and work what it has waited for outside. The probes of a service are one span.
func (s *Start) Spans() *Span {
	name := "start " + s.Instance
	if s.Recovery {
		name = "recover " + s.Instance
	}
	root := &Span{Kind: "start", Name: name, Began: s.Began, Ended: s.Ended, Events: s.events()}
	if s.Outcome == "failed" {
		root.Failure = s.causeOf(s.Steps[len(s.Steps)-1])
	}
	s.states(root)
	works := map[*Record]*Span{}
	for _, rec := range s.Records {
		switch {
		case rec.Type == "probed":
			works[rec] = root.probes(rec)
		case rec.Off == offWork && rec.OffUS > 0 && rec.Kind == "":
			works[rec] = root.within(&Span{Kind: "work", Name: rec.Type, Began: rec.begins(), Ended: rec.sent(), Actor: rec.To, Attempt: rec.Attempt, Failure: rec.Failure})
		}
	}
	for _, rec := range s.Records {
		if rec.Kind != kindExternal {
			continue
		}
		inside := works[s.resultOf(rec)]
		if inside == nil {
			inside = root
		} else if inside.Kind == "probes" {
			continue
		}
		inside.within(&Span{Kind: "external", Name: rec.To + ": " + rec.Type, Began: rec.Time, Ended: rec.ends(), Actor: rec.From, Attempt: rec.Attempt, Failure: rec.Failure})
	}
	root.sort()
	return root
}

func (s *Span) sort() {
	slices.SortStableFunc(s.Children, func(a, b *Span) int { return a.Began.Compare(b.Began) })
	for _, child := range s.Children {
		child.sort()
	}
}

// states adds the attempts, and the states in them.
func (s *Start) states(root *Span) {
	var attempt *Span
	for n, step := range s.Steps {
		if terminal[step.Next] {
			break
		}
		end, failure := s.Ended, ""
		if n+1 < len(s.Steps) {
			next := s.Steps[n+1]
			end = next.Time
			if next.Next == "failed" || next.Next == "draining" {
				failure = s.causeOf(next)
			}
		}
		if attempt == nil || attempt.Attempt != step.Attempt {
			attempt = &Span{Kind: "attempt", Name: "attempt " + step.Attempt, Began: step.Time, Attempt: step.Attempt}
			root.Children = append(root.Children, attempt)
		}
		attempt.Ended = end
		if failure != "" {
			attempt.Failure = failure
		}
		attempt.Children = append(attempt.Children, &Span{Kind: "state", Name: step.Next, Began: step.Time, Ended: end, Attempt: step.Attempt, Failure: failure})
	}
}

// within adds a span to the innermost attempt or state that it is wholly in, and returns it.
func (s *Span) within(child *Span) *Span {
	for _, inner := range slices.Backward(s.Children) {
		if (inner.Kind == "attempt" || inner.Kind == "state") && (child.Attempt == "" || child.Attempt == inner.Attempt) && !child.Began.Before(inner.Began) && !child.Ended.After(inner.Ended) {
			return inner.within(child)
		}
	}
	s.Children = append(s.Children, child)
	return child
}

// probes adds a probe to those of its service in the same attempt.
func (s *Span) probes(rec *Record) *Span {
	name := "probe " + orUnknown(rec.Detail)
	at := slices.IndexFunc(s.Children, func(c *Span) bool { return c.Kind == "attempt" && c.Attempt == rec.Attempt })
	if at >= 0 {
		s = s.Children[at]
	}
	n := slices.IndexFunc(s.Children, func(c *Span) bool { return c.Kind == "probes" && c.Name == name && c.Actor == rec.To })
	if n < 0 {
		n = len(s.Children)
		s.Children = append(s.Children, &Span{Kind: "probes", Name: name, Began: rec.begins(), Actor: rec.To, Attempt: rec.Attempt})
	}
	p := s.Children[n]
	p.Ended, p.Failure = rec.sent(), rec.Failure
	p.Count++
	return p
}

// events are what the user was told, and what has failed.
func (s *Start) events() (all []SpanEvent) {
	for _, rec := range s.Records {
		switch {
		case rec.Kind == kindFailure:
			all = append(all, SpanEvent{rec.Time, short(rec.From) + " failed", rec.Failure})
		case rec.Type == "Notice" && rec.To == "fleet":
			all = append(all, SpanEvent{rec.Time, "notice", rec.body("text")})
		}
	}
	return all
}
