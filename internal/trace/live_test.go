package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// writing is a log that a test writes line by line.
type writing struct {
	*testing.T
	path string
}

func (w writing) add(lines ...[]byte) {
	w.Helper()
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(bytes.Join(lines, nil)); err != nil {
		w.Fatal(err)
	}
}

func (w writing) next(l *Live) *Timeline {
	w.Helper()
	timeline, err := l.Next()
	if err != nil {
		w.Fatal(err)
	}
	return timeline
}

func linesOf(t *testing.T, name string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(bytes.SplitAfter(text, []byte("\n")), func(line []byte) bool { return len(line) == 0 })
}

// A log that is followed line by line is in the end what it is when read at once, and no record is told twice.
func TestLiveIsTheWholeStory(t *testing.T) {
	w := writing{t, filepath.Join(t.TempDir(), "messages.jsonl")}
	l, err := NewLive(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if timeline := w.next(l); timeline != nil {
		t.Errorf("a log that is not there has %+v", timeline)
	}
	told, last := map[uint64]bool{}, &Timeline{}
	for _, line := range linesOf(t, "fallback") {
		w.add(line[:len(line)/2])
		if timeline := w.next(l); timeline != nil {
			t.Errorf("half a line is %+v", timeline)
		}
		w.add(line[len(line)/2:])
		timeline := w.next(l)
		if timeline == nil {
			continue
		}
		if timeline.Fresh {
			clear(told)
		}
		for _, r := range timeline.Records {
			if told[r.Seq] {
				t.Errorf("%d is told twice", r.Seq)
			}
			told[r.Seq] = true
		}
		last = timeline
	}
	s := start(t, "fallback")
	whole := s.timeline(s.Records)
	for _, r := range whole.Records {
		if !told[r.Seq] {
			t.Errorf("%d %s was not told", r.Seq, r.Type)
		}
	}
	if fmt.Sprint(last.Critical) != fmt.Sprint(whole.Critical) || last.Took != whole.Took || !last.Began.Equal(whole.Began) {
		t.Errorf("got %v in %d, want %v in %d", last.Critical, last.Took, whole.Critical, whole.Took)
	}
}

// Another start takes the place of the one before, and what has come after a start is bounded.
func TestLiveForgets(t *testing.T) {
	w := writing{t, filepath.Join(t.TempDir(), "messages.jsonl")}
	w.add(linesOf(t, "cold-start")...)
	l, err := NewLive(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cold := w.next(l)
	if cold == nil || !cold.Fresh || cold.States[len(cold.States)-1].Name != "ready" {
		t.Fatalf("got %+v", cold)
	}
	if timeline := w.next(l); timeline != nil {
		t.Errorf("nothing is %+v", timeline)
	}
	for seq := range 3 * keptAfter {
		w.add(fmt.Appendf(nil, `{"time":"2000-01-01T00:01:00Z","seq":%d,"instance":"default","from":"fleet/default/prober-1","to":"http","kind":"external","type":"GET"}`+"\n", 100_000+seq))
	}
	if timeline := w.next(l); len(timeline.Records) != keptAfter || timeline.Fresh || timeline.Took != cold.Took {
		t.Errorf("%d records, fresh %v", len(timeline.Records), timeline.Fresh)
	}
	w.add(linesOf(t, "adoption")...)
	if timeline := w.next(l); !timeline.Fresh || !slices.ContainsFunc(timeline.States, func(s timelineState) bool { return s.Name == "adopting" }) {
		t.Errorf("got %+v", timeline.States)
	}
	if n := len(l.log.Runs); n != 1 {
		t.Errorf("%d runs are remembered", n)
	}
}

// A segment that is set aside while it is read is read to its end.
func TestLiveOverSegments(t *testing.T) {
	w := writing{t, filepath.Join(t.TempDir(), "messages.jsonl")}
	lines := linesOf(t, "cold-start")
	third := len(lines) / 3
	w.add(lines[:third]...)
	if err := os.Rename(w.path, w.path+".1"); err != nil {
		t.Fatal(err)
	}
	w.add(lines[third : 2*third]...)
	l, err := NewLive(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := len(w.next(l).Records)
	if err := os.Rename(w.path, w.path+".1"); err != nil {
		t.Fatal(err)
	}
	w.add(lines[2*third:]...)
	n += len(w.next(l).Records)
	s := start(t, "cold-start")
	from := slices.Index(s.run.Records, s.Steps[0])
	if want := len(s.run.Records) - from; n != want {
		t.Errorf("%d records, want %d", n, want)
	}
}

// What the page is given to draw, of every story.
func TestTimelines(t *testing.T) {
	for _, name := range []string{"cold-start", "capture-resume-save", "fallback", "adoption"} {
		s := start(t, name)
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		timeline := s.timeline(s.Records)
		records := timeline.Records
		timeline.Records = nil
		if err := e.Encode(timeline); err != nil {
			t.Fatal(err)
		}
		for _, r := range records { // a record a line, for people who compare them
			if err := e.Encode(r); err != nil {
				t.Fatal(err)
			}
		}
		golden(t, name+".timeline.golden", b.String())
	}
}
