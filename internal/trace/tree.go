package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// node is a record in the tree of a start, or several of one kind.
type node struct {
	rec      *Record
	stage    int
	children []*node
	count    int           // of records
	took     time.Duration // of all of them
}

// Tree writes a start as a tree: below each message is what it led to. What tells nothing (the library's own messages, the
// news to the command line) is left out, unless all is wanted.
func Tree(out io.Writer, s *Start, f Filter, all bool) error {
	var b strings.Builder
	s.head(&b)
	for stage, roots := range s.tree(f, all) {
		if len(roots) > 0 {
			fmt.Fprintf(&b, "%s\n", s.stageName(stage))
		}
		for _, n := range roots {
			s.write(&b, n, 1)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (s *Start) head(b *strings.Builder) {
	outcome := s.Outcome
	if how := s.How(); how != "" {
		outcome += " by a " + how
	}
	if outcome == "" {
		outcome = s.Steps[len(s.Steps)-1].Next + " so far"
	}
	fmt.Fprintf(b, "%s  %s, %s s  (%s, %s)\n", s.Instance, outcome, seconds(s.Took()), s.Began.Format("2006-01-02 15:04:05"), strings.Join(s.Attempts(), ", "))
	for n, step := range s.Steps {
		end := s.Ended
		if n+1 < len(s.Steps) {
			end = s.Steps[n+1].Time
		} else if s.Outcome != "" {
			break
		}
		sep := "  "
		if n == 0 {
			sep = ""
		}
		fmt.Fprintf(b, "%s%s %s", sep, step.Next, seconds(end.Sub(step.Time)))
	}
	b.WriteString("\n\n      at     took\n")
}

// tree is the roots of each stage: what is caused in a stage hangs below what it was caused by there.
func (s *Start) tree(f Filter, all bool) [][]*node {
	nodes := map[*Record]*node{}
	stages := make([][]*node, len(s.Steps)+1)
	for _, rec := range s.Records {
		if !all && s.run.noise(rec) || !f.fits(rec) {
			continue
		}
		nodes[rec] = &node{rec: rec, stage: s.stage(rec), count: 1, took: rec.Duration()}
	}
	for _, rec := range s.Records {
		n := nodes[rec]
		if n == nil {
			continue
		}
		if above := s.above(rec, nodes); above != nil && above.stage == n.stage {
			above.children = append(above.children, n)
		} else {
			stages[n.stage] = append(stages[n.stage], n)
		}
	}
	for n := range stages {
		stages[n] = sorted(stages[n], all)
	}
	return stages
}

// stage is in which state something happened, counted from the one before the first step: a step belongs to the state that it
// ends.
func (s *Start) stage(rec *Record) (n int) {
	for n < len(s.Steps) && s.Steps[n].Seq < rec.Seq {
		n++
	}
	return n
}

func (s *Start) stageName(n int) string {
	if n == 0 {
		return s.Steps[0].State
	}
	return s.Steps[n-1].Next
}

// above is the node that a record hangs below: the nearest cause that is shown. A message that comes again and again, each time
// caused by the one before, hangs beside that.
func (s *Start) above(rec *Record, nodes map[*Record]*node) *node {
	if result := s.resultOf(rec); nodes[result] != nil {
		return nodes[result]
	}
	cause := s.run.cause(rec)
	for back, steps := cause, 0; back != nil && steps < 4; back, steps = s.run.cause(back), steps+1 {
		if alike(back, rec) {
			cause = s.run.cause(back)
			break
		}
	}
	for ; cause != nil; cause = s.run.cause(cause) {
		if n := nodes[cause]; n != nil && !alike(cause, rec) {
			return n
		}
	}
	return nil
}

// resultOf is the result of the work that has waited for something outside; nil for all other records, and for work that told
// nothing.
func (s *Start) resultOf(rec *Record) *Record {
	cause := s.run.cause(rec)
	if rec.Kind != kindExternal || cause == nil {
		return nil
	}
	for _, other := range s.run.effects(cause) {
		if other.Off == offWork && other.To == rec.From && other.Seq > rec.Seq {
			return other
		}
	}
	return nil
}

func alike(a, b *Record) bool {
	return a.Kind == b.Kind && a.Type == b.Type && a.To == b.To && a.Detail == b.Detail && a.From == b.From
}

// sorted orders by time, and joins what came more than twice and led to nothing else.
func sorted(nodes []*node, all bool) (kept []*node) {
	slices.SortStableFunc(nodes, func(a, b *node) int { return a.rec.begins().Compare(b.rec.begins()) })
	for _, n := range nodes {
		n.children = sorted(n.children, all)
		at := slices.IndexFunc(kept, func(k *node) bool { return alike(k.rec, n.rec) && plain(k) })
		if all || at < 0 || !plain(n) {
			kept = append(kept, n)
			continue
		}
		kept[at].count++
		kept[at].took += n.took
		kept[at].rec = n.rec // the last one says how it ended
	}
	return kept
}

// plain is a node that led to nothing but waits outside.
func plain(n *node) bool {
	return n.rec.Next == "" && !slices.ContainsFunc(n.children, func(c *node) bool { return c.rec.Kind != kindExternal })
}

// library are the messages that the actor library sends by itself.
var library = map[string]bool{"Started": true, "Stopping": true, "Stopped": true, "Terminated": true, "Restarting": true}

func (run *Run) noise(r *Record) bool {
	switch {
	case r.Failure != "" || r.Next != "" || r.Kind == kindFailure || r.Kind == kindDeadLetter:
		return false
	case library[r.Type], r.Type == "probeDue", strings.HasPrefix(short(r.To), "_observer"):
		return true
	case r.Type == "ServiceChanged" && !r.flag("healthy"):
		return true
	case r.To == "fleet":
		return r.Type != "Notice" && r.Type != "StartInstance"
	case r.Type == "happened":
		return len(run.shown(r)) == 0
	}
	return false
}

// shown are the effects of a record that are no noise.
func (run *Run) shown(r *Record) (all []*Record) {
	for _, rec := range run.effects(r) {
		if rec.Kind != kindExternal && !run.noise(rec) {
			all = append(all, rec)
		}
	}
	return all
}

func (s *Start) write(b *strings.Builder, n *node, depth int) {
	took := ""
	if n.took >= 500*time.Microsecond {
		took = fmt.Sprintf("%.3f", n.took.Seconds())
	}
	fmt.Fprintf(b, "%8.3f %8s  %s%s\n", n.rec.begins().Sub(s.Began).Seconds(), took, strings.Repeat("  ", depth), n.line())
	for _, c := range n.children {
		s.write(b, c, depth+1)
	}
}

func (n *node) line() string {
	text := Line(n.rec)
	if n.count > 1 {
		text += fmt.Sprintf("  (%d times)", n.count)
	}
	return text
}

// Line is a record in a few words.
func Line(r *Record) string {
	words := []string{r.Type}
	switch {
	case r.Kind == kindExternal:
		words = []string{r.To + ": " + r.Type}
	case r.Kind == kindFailure:
		words = []string{short(r.From) + " failed"}
	case r.Kind == kindDeadLetter:
		words = append(words, "to "+short(r.To)+", who is gone")
	case r.Kind == kindDropped:
		words = append(words, "of "+short(r.To)+", dropped: nobody waits for it")
	case r.Off != "":
		words = append(words, detailOf(r), "("+r.Off+" of "+short(r.To)+")")
	case r.From == "" || r.From == r.To:
		words = append(words, "-> "+short(r.To))
	default:
		words = append(words, short(r.From)+" -> "+short(r.To))
	}
	if r.Next != "" {
		words = append(words, "=> "+r.Next)
	}
	failure := r.Failure
	if failure == "" && r.Kind == "" {
		failure = r.body("cause")
	}
	if r.Type == "Notice" {
		failure = r.body("text")
	}
	if failure != "" {
		first, _, _ := strings.Cut(failure, "\n")
		words = append(words, "! "+first)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

func detailOf(r *Record) string {
	if r.Detail != "" {
		return r.Detail
	}
	return r.body("service")
}
