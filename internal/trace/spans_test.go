package trace

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Where the time of every story went, as spans.
func TestSpans(t *testing.T) {
	for _, name := range []string{"cold-start", "capture-resume-save", "fallback", "adoption"} {
		s := start(t, name)
		var b strings.Builder
		var write func(span *Span, depth int)
		write = func(span *Span, depth int) {
			if span.Ended.Before(span.Began) {
				t.Errorf("%s: %s ends before it begins", name, span.Name)
			}
			fmt.Fprintf(&b, "%8.3f %8.3f  %s%s %s", span.Began.Sub(s.Began).Seconds(), span.Ended.Sub(span.Began).Seconds(), strings.Repeat("  ", depth), span.Kind, span.Name)
			if span.Count > 1 {
				fmt.Fprintf(&b, "  (%d times)", span.Count)
			}
			if span.Failure != "" {
				fmt.Fprintf(&b, "  ! %s", firstLine(span.Failure))
			}
			b.WriteByte('\n')
			for _, e := range span.Events {
				fmt.Fprintf(&b, "%8.3f           %s- %s: %s\n", e.At.Sub(s.Began).Seconds(), strings.Repeat("  ", depth), e.Name, e.Text)
			}
			for _, child := range span.Children {
				write(child, depth+1)
			}
		}
		write(s.Spans(), 0)
		golden(t, name+".spans.golden", b.String())
	}
}

// Every start is told once, when all of it is known, and the one that goes on at the end.
func TestWatcher(t *testing.T) {
	w := writing{t, filepath.Join(t.TempDir(), "messages.jsonl")}
	w.add(linesOf(t, "adoption")...) // what was before is nobody's business
	told := make(chan *Start, 10)
	watcher := NewWatcher(w.path, func(s *Start) { told <- s })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(ctx) }()
	wait := func(outcome, how string) {
		t.Helper()
		select {
		case s := <-told:
			if s.Outcome != outcome || s.How() != how {
				t.Errorf("got %s by %s, want %s by %s", s.Outcome, s.How(), outcome, how)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s was not told", outcome)
		}
	}
	w.add(linesOf(t, "cold-start")...)
	wait("ready", "cold boot")
	w.add(linesOf(t, "fallback")...)
	wait("ready", "cold boot")
	half := linesOf(t, "cold-start")
	w.add(half[:len(half)/2]...)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	wait("", "")
	if len(told) > 0 {
		t.Errorf("%d starts too many", len(told))
	}
}
