package view_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackemu/stackemu/internal/view"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serial.log")
	tail := view.NewTail(path, time.Now().Add(-time.Hour))
	want := func(line string) {
		t.Helper()
		if got := strings.Join(tail.LastLines(1), "|"); got != line {
			t.Errorf("got %q, want %q", got, line)
		}
	}
	want("") // no file yet
	for _, step := range []struct{ appended, want string }{
		{"", ""},
		{"\r\n\n", ""},
		{"SeaBIOS\r\n", "SeaBIOS"},
		{"Boo", "Boo"},
		{"ting\n  \n\x1b[0m\n", "Booting"},
		{strings.Repeat("x", 4000) + "\nend\n", "end"},
	} {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(step.appended); err != nil {
			t.Fatal(err)
		}
		f.Close()
		want(step.want)
	}
	// Another boot, another file, as it happens of the same size.
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	want("")
	old, err := os.ReadFile(path + ".1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(old), "end", "new", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	want("new")
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want("") // left by an earlier start
}

// The console is shown while an instance starts, and not asked for when it is ready.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		var last atomic.Value
		var asked atomic.Int32
		last.Store("one")
		v.Follow("a", func(int) []string { asked.Add(1); return []string{last.Load().(string)} })
		v.State("a", "cold-booting", 0, "")
		settle(time.Second)
		m.want("\na  cold-booting   1.0s\n  one")
		last.Store("")
		v.State("a", "probing", time.Second, "")
		settle(time.Second)
		m.want("\na  cold-booting  took 1.0s\na  probing        2.0s")
		last.Store("\x1b[31mtwo\x07")
		settle(time.Second)
		m.want("\na  cold-booting  took 1.0s\na  probing        3.0s\n  two")
		v.Ready("a", 3*time.Second, "resumed", nil)
		settle(time.Second)
		before := asked.Load()
		settle(time.Second)
		if now := asked.Load(); now != before || before == 0 {
			t.Errorf("asked %d times, then %d", before, now)
		}
		v.Close()
	})
}

func TestFollowOnAPlainStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, false, false)
		v.Follow("a", func(int) []string { t.Error("asked"); return nil })
		v.State("a", "cold-booting", 0, "")
		settle(time.Second)
		v.Close()
		m.want("\na  cold-booting   0.0s")
	})
}
