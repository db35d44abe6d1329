package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/msglog"
)

var update = flag.Bool("update", false, "write the golden files and the diagrams of docs/ anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The logs in testdata are real ones, of the actors with a fake machine: TestGoldenLogs in package actors writes them.
func start(t testing.TB, name string) *Start {
	t.Helper()
	log, err := ReadFiles(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if log.Torn != 0 || len(log.Runs) != 1 || log.Last() == nil {
		t.Fatalf("%d torn lines, %d runs, last start %v", log.Torn, len(log.Runs), log.Last())
	}
	return log.Last()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// Every format of every story, as it is.
func TestFormats(t *testing.T) {
	for _, name := range []string{"cold-start", "capture-resume-save", "fallback", "adoption"} {
		for format, write := range map[string]func(*bytes.Buffer, *Start) error{
			"tree":     func(b *bytes.Buffer, s *Start) error { return Tree(b, s, Filter{}, false) },
			"explain":  func(b *bytes.Buffer, s *Start) error { return Explain(b, s) },
			"mermaid":  func(b *bytes.Buffer, s *Start) error { return s.Mermaid(b, Filter{}) },
			"perfetto": func(b *bytes.Buffer, s *Start) error { return s.Perfetto(b, Filter{}) },
			"json":     func(b *bytes.Buffer, s *Start) error { return NDJSON(b, s.Records) },
		} {
			t.Run(name+"/"+format, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(&b, start(t, name)); err != nil {
					t.Fatal(err)
				}
				golden(t, name+"."+format+".golden", b.String())
			})
		}
	}
}

func TestTreeOfEverything(t *testing.T) {
	s := start(t, "cold-start")
	var some, all bytes.Buffer
	if err := errors.Join(Tree(&some, s, Filter{}, false), Tree(&all, s, Filter{}, true)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(all.String(), "\n"); n <= strings.Count(some.String(), "\n") || n < len(s.Records) {
		t.Errorf("%d lines for %d records:\n%s", n, len(s.Records), all.String())
	}
}

// The parts of the critical chain make up the whole time.
func TestChainExplainsAllTime(t *testing.T) {
	for _, name := range []string{"cold-start", "first-pull", "capture-resume-save", "fallback", "stop", "adoption"} {
		s := start(t, name)
		var sum time.Duration
		for _, p := range s.chain() {
			sum += p.took
			if p.label == "unknown" {
				t.Errorf("%s: %v of it are not known", name, p.took)
			}
		}
		if sum != s.Took() {
			t.Errorf("%s: the parts are %v, the whole is %v", name, sum, s.Took())
		}
	}
}

// What Chrome's format demands: ends for all beginnings, tracks for all events, an arrow's two halves.
func TestPerfettoIsWhole(t *testing.T) {
	var b bytes.Buffer
	if err := start(t, "fallback").Perfetto(&b, Filter{}); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		TraceEvents []struct {
			Name, Ph, ID, Cat string
			TS, Dur           int64
			TID               int
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	open, tracks := map[string]int64{}, map[int]bool{}
	for _, e := range doc.TraceEvents {
		switch key := e.Cat + e.ID; e.Ph {
		case "M":
			tracks[e.TID] = true
		case "b", "s":
			open[e.Ph+key] = e.TS
		case "e", "f":
			begin := map[string]string{"e": "b", "f": "s"}[e.Ph]
			if began, ok := open[begin+key]; !ok || began > e.TS {
				t.Errorf("%+v ends what began at %d (%v)", e, began, ok)
			}
			delete(open, begin+key)
		case "X":
			if e.Dur < 1 {
				t.Errorf("%+v cannot be seen", e)
			}
		}
		if !tracks[e.TID] {
			t.Errorf("no track for %+v", e)
		}
	}
	if len(open) > 0 || len(tracks) < 8 {
		t.Errorf("%d tracks; never ended: %v", len(tracks), open)
	}
}

func TestFilter(t *testing.T) {
	s := start(t, "fallback")
	for _, c := range []struct {
		f    Filter
		fits func(*Record) bool
	}{
		{Filter{}, func(*Record) bool { return true }},
		{Filter{Actor: "monitor-2"}, func(r *Record) bool {
			return strings.HasSuffix(r.To, "/monitor-2") || strings.HasSuffix(r.From, "/monitor-2")
		}},
		{Filter{Type: "snapshotG"}, func(r *Record) bool { return r.Type == "SnapshotGranted" }},
		{Filter{Attempt: "run-2"}, func(r *Record) bool { return r.Attempt == "default-run-2" }},
		{Filter{MinDuration: 30 * time.Millisecond}, func(r *Record) bool { return r.Duration() >= 30*time.Millisecond }},
	} {
		kept := c.f.Select(s.Records)
		want := 0
		for _, r := range s.Records {
			if c.fits(r) {
				want++
			}
		}
		if len(kept) != want || want == 0 {
			t.Errorf("%+v: %d records, want %d", c.f, len(kept), want)
		}
	}
}

// What other bytes there are between the records is counted and changes nothing.
func TestTornLines(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "cold-start.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := Tree(&want, start(t, "cold-start"), Filter{}, true); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	middle := bytes.Join([][]byte{bytes.Join(lines[:20], nil), []byte("{\"time\":\"2026-\n\x00\x00\n{}\n\n[]\n" + strings.Repeat("x", 2*maxLine) + "\n"), bytes.Join(lines[20:], nil)}, nil)
	for name, c := range map[string]struct {
		content []byte
		torn    int
	}{
		"in the middle":             {middle, 5},
		"at the end":                {append(bytes.Clone(whole), `{"time":"2026-11-23T10:07:42.938Z","seq":3,"ty`...), 1},
		"the last line has no end":  {bytes.TrimSpace(whole), 0},
		"line ends of another kind": {bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")), 0},
	} {
		t.Run(name, func(t *testing.T) {
			log, err := Read(bytes.NewReader(c.content))
			if err != nil || log.Torn != c.torn || log.Last() == nil {
				t.Fatalf("%v, %d torn", err, log.Torn)
			}
			var got bytes.Buffer
			if err := Tree(&got, log.Last(), Filter{}, true); err != nil || got.String() != want.String() {
				t.Errorf("%v, got\n%s", err, got.String())
			}
		})
	}
}

func TestLogThatIsNotThere(t *testing.T) {
	if _, err := ReadFiles(filepath.Join(t.TempDir(), "messages.jsonl")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Segments are read in the order in which they were written; numbers that begin anew are another process.
func TestSegmentsAndRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	line := func(seq int, kind string) string {
		return fmt.Sprintf(`{"time":"2026-11-23T10:07:42.938228Z","kind":%q,"seq":%d,"type":"T"}`+"\n", kind, seq)
	}
	for n, content := range []string{line(3, "") + line(1, "run") + line(1, ""), line(2, ""), line(7, "") + line(1, "")} {
		if err := os.WriteFile(msglog.Segment(path, n), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, run := range log.Runs {
		var seqs []string
		for _, r := range run.Records {
			seqs = append(seqs, fmt.Sprint(r.Seq))
		}
		got = append(got, strings.Join(seqs, " "))
	}
	if strings.Join(got, ", ") != "1 2 3 7, 1" {
		t.Errorf("got %q", got)
	}
}

// A log is followed over the ends of its segments, and from its birth.
func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	ctx, cancel := context.WithCancel(t.Context())
	heard, ended := make(chan string, 1), make(chan error, 1)
	follower := newFollower(path, func(r *Record) { heard <- r.Type })
	defer follower.close()
	go func() { ended <- follower.run(ctx) }()
	write := func(text string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	want := func(types ...string) {
		t.Helper()
		for _, w := range types {
			if got := <-heard; got != w {
				t.Errorf("heard %q, want %q", got, w)
			}
		}
	}
	line := func(kind string) string {
		return `{"time":"2026-11-23T10:07:42.938228Z","seq":1,"type":"` + kind + `"}` + "\n"
	}
	write(line("Born"))
	want("Born")
	write("torn\n" + line("Second")[:20])
	write(line("Second")[20:])
	want("Second")
	write(line("Last"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(line("Next"))
	want("Last", "Next")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What was there before is not told again.
func TestFollowBeginsAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	l := msglog.New(zerolog.Nop())
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Write(msglog.Record{At: time.Now(), Seq: 1, Type: "Old"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for seq := uint64(2); ctx.Err() == nil; seq++ {
			l.Write(msglog.Record{At: time.Now(), Seq: seq, Type: "New"})
		}
	}()
	if err := Follow(ctx, path, func(r *Record) {
		if r.Type != "New" {
			t.Errorf("heard %q", r.Type)
		}
		cancel()
	}); err != nil {
		t.Error(err)
	}
}

// A record that was written is read as it was.
func TestWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	l := msglog.New(zerolog.Nop())
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 10, 7, 42, 938228000, time.UTC)
	l.Write(msglog.Record{Kind: msglog.Dropped, At: at, Seq: 7, Parent: 6, Instance: "web", Attempt: "web-x-1", From: "fleet/web", To: "fleet/web/monitor-1",
		Type: "staged", Before: "resuming", After: "refreshing", Wait: time.Millisecond, Took: 2 * time.Millisecond, Off: msglog.Work, OffTook: time.Second,
		Detail: "load", Body: map[string]string{"cause": "no <b>room</b>"}, Failure: "no room", Stack: []byte("main.go:1")})
	l.Close()
	log, err := ReadFiles(path)
	if err != nil || log.Torn != 0 || len(log.Runs) != 1 || len(log.Runs[0].Records) != 1 || log.Runs[0].PID != os.Getpid() {
		t.Fatalf("%v, %+v", err, log)
	}
	r := log.Runs[0].Records[0]
	if !r.Time.Equal(at) || r.Kind != kindDropped || r.body("cause") != "no <b>room</b>" || r.Next != "refreshing" ||
		r.OffUS != 1e6 || r.TookUS != 2000 || r.WaitUS != 1000 || r.Stack != "main.go:1" || r.Detail != "load" || r.Off != offWork {
		t.Errorf("got %+v", r)
	}
}

// Whatever bytes a log has, nothing that reads it fails or hangs.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"cold-start", "fallback", "stop"} {
		content, err := os.ReadFile(filepath.Join("testdata", name+".jsonl"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content[:min(len(content), 8<<10)])
	}
	f.Add([]byte(`{"time":"2026-11-23T10:07:42Z","seq":2,"parent":3,"instance":"a","to":"fleet/a","type":"Stopped","state":"absent","next":"draining"}
{"time":"2026-11-23T10:07:41Z","seq":3,"parent":2,"instance":"a","to":"fleet/a","type":"Terminated","from":"fleet/a","state":"ready","next":"draining","off":"event","body":{"cause":7}}
{"time":"2026-11-23T10:07:41Z","seq":18446744073709551615,"instance":"a","to":"fleet/a","type":"reaped","off":"event","off_us":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		log, err := Read(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		for _, s := range log.Starts() {
			s.Spans()
			for _, err := range []error{Tree(&b, s, Filter{}, false), Tree(&b, s, Filter{}, true), Explain(&b, s), s.Mermaid(&b, Filter{}), s.Perfetto(&b, Filter{}), HTML(&b, s), NDJSON(&b, s.Records)} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	content, err := os.ReadFile(filepath.Join("testdata", "fallback.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
	}
}

// Who has lost what spoke to a machine whose end was asked for has lost nothing.
func TestExplainKnowsWishedEnds(t *testing.T) {
	explain := func(quit string) string {
		var lines string
		for n, rest := range []string{`"to":"fleet/web","type":"Launch","state":"absent","next":"saving"`, quit,
			`"from":"fleet/web/monitor-1","to":"fleet/web","type":"MonitorLost","state":"saving","body":{"cause":"connection closed"}`,
			`"to":"fleet/web/monitor-1.1","type":"Started"`,
			`"kind":"failure","from":"fleet/web/monitor-1.1","to":"fleet/web","type":"Failure","state":"saving","failure":"no such file"`,
			`"to":"fleet/web","type":"confirmed","state":"saving","next":"ready"`} {
			lines += fmt.Sprintf(`{"time":"2026-11-23T10:00:0%dZ","seq":%d,"instance":"web",%s}`+"\n", n, n+1, rest)
		}
		log, err := Read(strings.NewReader(lines))
		if err != nil || log.Torn > 0 {
			t.Fatalf("%v, %d torn", err, log.Torn)
		}
		var b strings.Builder
		if err := Explain(&b, log.Last()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if words := explain(`"from":"fleet/web","to":"fleet/web/monitor-1","type":"QuitMachine"`); strings.Contains(words, "went wrong") {
		t.Errorf("got %s", words)
	}
	for name, other := range map[string]string{"nobody": `"to":"fleet/web","type":"MonitorReady","state":"saving"`, "another machine": `"from":"fleet/web","to":"fleet/web/monitor-2","type":"QuitMachine"`} {
		if words := explain(other); !strings.Contains(words, "monitor-1 lost its connection: connection closed") || !strings.Contains(words, "monitor-1.1 failed: no such file") {
			t.Errorf("%s: got %s", name, words)
		}
	}
}
