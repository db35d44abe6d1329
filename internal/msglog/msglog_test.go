package msglog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func lines(t *testing.T, path string) []map[string]any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for line := range strings.Lines(string(b)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, m)
	}
	return all
}

func TestRecordsBeforeAndAfterAttach(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	l := New(zerolog.Nop())
	l.Write(Record{Seq: 1, Type: "Early", At: time.Now()})
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	at := l.began.Add(time.Hour)
	l.Write(Record{Kind: Dropped, At: at, Seq: 2, Parent: 1, Off: Work, OffTook: 5 * time.Microsecond, Detail: "what", Instance: "default", Attempt: "a-1", From: "x", To: "y", Type: "Late", Before: "off", After: "on",
		Wait: 3 * time.Microsecond, Took: 4 * time.Microsecond, Body: map[string]int{"pid": 7}, Failure: "why"})
	l.Close()
	l.Write(Record{Seq: 3, Type: "TooLate"})
	got := lines(t, path)
	if len(got) != 3 || got[0]["kind"] != "run" || got[1]["type"] != "Early" || got[1]["mono_us"].(float64) < 0 {
		t.Fatalf("got %v", got)
	}
	want := `map[attempt:a-1 body:map[pid:7] detail:what failure:why from:x instance:default kind:dropped mono_us:3.6e+09 next:on off:work off_us:5 parent:1 seq:2 state:off time:` +
		at.Format(timeFormat) + ` to:y took_us:4 type:Late wait_us:3]`
	if s := fmt.Sprint(got[2]); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read it", info.Mode(), err)
	}
}

// The log of a process that was killed in the middle of a line does not hinder the next one.
func TestAppendsAfterAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	for n := range 2 {
		l := New(zerolog.Nop())
		if err := l.Attach(path); err != nil {
			t.Fatal(err)
		}
		l.Write(Record{Seq: uint64(n), Type: "M"})
		l.Close()
		if n > 0 {
			break
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(`{"seq":7,"ty`)
		f.Close()
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(torn) != 5 || torn[2] != `{"seq":7,"ty` || !json.Valid([]byte(torn[1])) || !json.Valid([]byte(torn[3])) {
		t.Errorf("got %q", torn)
	}
}

// victimLog names the log that a process of the next test writes until it is killed.
const victimLog = "STACKEMU_TEST_VICTIM_LOG"

// What Write has returned from survives a kill -9, and the next process appends to what is left.
func TestSurvivesKill(t *testing.T) {
	if path := os.Getenv(victimLog); path != "" {
		beVictim(t, path)
	}
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	victim := exec.Command(os.Args[0], "-test.run=^TestSurvivesKill$")
	victim.Env = append(os.Environ(), victimLog+"="+path)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	last := 0
	for said := bufio.NewScanner(out); said.Scan(); { // to the last word that it got out
		if n, err := strconv.Atoi(said.Text()); err == nil { // the last line may be torn
			last = max(last, n)
		}
		if last == 2000 {
			_ = victim.Process.Kill()
		}
	}
	_ = victim.Wait()
	l := New(zerolog.Nop())
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	l.Write(Record{Seq: 1, Type: "Successor"})
	l.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen, torn, successor := map[int]bool{}, 0, false
	for line := range strings.Lines(string(text)) {
		var r struct {
			Seq  int
			Type string
		}
		if json.Unmarshal([]byte(line), &r) != nil {
			torn++
			continue
		}
		seen[r.Seq] = seen[r.Seq] || r.Type == "M"
		successor = successor || r.Type == "Successor"
	}
	for n := 1; n <= last; n++ {
		if !seen[n] {
			t.Fatalf("record %d of %d is lost", n, last)
		}
	}
	if last < 2000 || torn > 1 || !successor {
		t.Errorf("%d records, %d torn lines, a successor: %v", last, torn, successor)
	}
}

// beVictim says the number of each record that Write has returned from, and never ends by itself.
func beVictim(t *testing.T, path string) {
	l := New(zerolog.Nop())
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	for n := 1; ; n++ {
		l.Write(Record{Seq: uint64(n), Type: "M", Body: strings.Repeat("x", n%1000)})
		if _, err := fmt.Println(n); err != nil {
			os.Exit(1) // nobody listens
		}
	}
}

func TestBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	l := New(zerolog.Nop())
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 64<<10)
	const records = 3 * MaxBytes / (64 << 10)
	for n := range records {
		l.Write(Record{Seq: uint64(n + 1), Body: body})
	}
	if dropped := l.Close(); dropped != 0 {
		t.Errorf("%d dropped", dropped)
	}
	var total int64
	next := float64(0)
	for n := Segments - 1; n >= 0; n-- {
		info, err := os.Stat(Segment(path, n))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		for _, line := range lines(t, Segment(path, n)) {
			if next != 0 && line["seq"] != next {
				t.Fatalf("record %v after %v", line["seq"], next-1)
			}
			next = line["seq"].(float64) + 1
		}
	}
	if next != records+1 || total > MaxBytes+Segments*(65<<10) || total < MaxBytes/2 {
		t.Errorf("%d bytes up to record %v", total, next-1)
	}
	if _, err := os.Stat(Segment(path, Segments)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a segment too many: %v", err)
	}
}

func TestFullDiskIsNoFailure(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	l := New(zerolog.Nop())
	if err := l.Attach("/dev/full"); err != nil {
		t.Fatal(err)
	}
	l.Write(Record{Type: "M"})
	if dropped := l.Close(); dropped != 2 {
		t.Errorf("%d dropped, want 2", dropped)
	}
}

func TestAttachFails(t *testing.T) {
	l, path := New(zerolog.Nop()), filepath.Join(t.TempDir(), "absent", "messages.jsonl")
	l.Write(Record{Seq: 1, Type: "Early"})
	if err := l.Attach(path); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "message log: ") {
		t.Errorf("got %v", err)
	}
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Attach(path); err != nil || len(lines(t, path)) != 2 {
		t.Errorf("the second try: %v, %v", err, lines(t, path))
	}
	l.Close()
}

func TestConsole(t *testing.T) {
	var console bytes.Buffer
	l := ConsoleOnly(zerolog.New(&console).Level(zerolog.TraceLevel))
	l.Write(Record{Type: "M", To: "fleet"})
	if s := console.String(); !strings.Contains(s, `"level":"trace"`) || !strings.Contains(s, `"to":"fleet"`) {
		t.Errorf("got %s", s)
	}
	if err := l.Attach(filepath.Join(t.TempDir(), "absent", "messages.jsonl")); err != nil {
		t.Errorf("it has a file: %v", err)
	}
	quiet := New(zerolog.New(&console).Level(zerolog.DebugLevel))
	console.Reset()
	quiet.Write(Record{Type: "M"})
	if console.Len() > 0 {
		t.Errorf("got %s", console.String())
	}
}

func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	l := New(zerolog.Nop())
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 100 {
				l.Write(Record{Type: "M"})
			}
		})
	}
	writers.Wait()
	l.Close()
	if got := lines(t, path); len(got) != 801 {
		t.Errorf("%d records", len(got))
	}
}

// The cost of one message, as the actors meet it.
func BenchmarkWrite(b *testing.B) {
	l := New(zerolog.Nop())
	if err := l.Attach(filepath.Join(b.TempDir(), "messages.jsonl")); err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	r := Record{At: time.Now(), Seq: 1, Parent: 1, Instance: "default", Attempt: "default-x-1", From: "fleet/default", To: "fleet/default/monitor-1",
		Type: "LoadState", Before: "preparing", After: "resuming", Wait: time.Microsecond, Took: time.Microsecond, Body: struct {
			Open bool `json:"open"`
		}{true}}
	b.ReportAllocs()
	for b.Loop() {
		l.Write(r)
	}
}
