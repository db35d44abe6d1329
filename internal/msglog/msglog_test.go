package msglog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	l.Write(Record{Seq: 1, Type: "Early"})
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	l.Write(Record{Seq: 2, Parent: 1, Instance: "default", Attempt: "a-1", From: "x", To: "y", Type: "Late", Before: "off", After: "on",
		Wait: 3 * time.Microsecond, Took: 4 * time.Microsecond, Body: map[string]int{"pid": 7}, Failure: "why"})
	l.Close()
	l.Write(Record{Seq: 3, Type: "TooLate"})
	got := lines(t, path)
	if len(got) != 2 || got[0]["type"] != "Early" {
		t.Fatalf("got %v", got)
	}
	want := `map[attempt:a-1 body:map[pid:7] failure:why from:x instance:default next:on parent:1 seq:2 state:off time:0001-01-01T00:00:00.000000Z to:y took_us:4 type:Late wait_us:3]`
	if s := fmt.Sprint(got[1]); s != want {
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
	if len(torn) != 3 || torn[1] != `{"seq":7,"ty` || !json.Valid([]byte(torn[0])) || !json.Valid([]byte(torn[2])) {
		t.Errorf("got %q", torn)
	}
}

func TestBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	if err := os.WriteFile(path, bytes.Repeat([]byte("\n"), MaxBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	l := New(zerolog.Nop())
	if err := l.Attach(path); err != nil {
		t.Fatal(err)
	}
	l.Write(Record{Type: "M"})
	l.Close()
	if got := lines(t, path); len(got) != 1 {
		t.Errorf("got %d records in the new file", len(got))
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != MaxBytes {
		t.Errorf("the old file: %v, %v", info, err)
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
	if dropped := l.Close(); dropped != 1 {
		t.Errorf("%d dropped, want 1", dropped)
	}
}

func TestAttachFails(t *testing.T) {
	err := New(zerolog.Nop()).Attach(filepath.Join(t.TempDir(), "absent", "messages.jsonl"))
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "message log: ") {
		t.Errorf("got %v", err)
	}
}

func TestConsole(t *testing.T) {
	var console bytes.Buffer
	l := ConsoleOnly(zerolog.New(&console).Level(zerolog.TraceLevel))
	l.Write(Record{Type: "M", To: "fleet"})
	if s := console.String(); !strings.Contains(s, `"level":"trace"`) || !strings.Contains(s, `"to":"fleet"`) {
		t.Errorf("got %s", s)
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
	if got := lines(t, path); len(got) != 800 {
		t.Errorf("%d records", len(got))
	}
}
