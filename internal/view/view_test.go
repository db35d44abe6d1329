package view_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/view"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settle lets the time of the bubble pass, and the view's goroutine draw what is due by then.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// story is a start as the command line tells it to the view.
func story(v *view.View) {
	v.Line(view.Warn, "/dev/kvm is there but does not work: using tcg")
	v.State("default", "cold-booting", 0, "")
	settle(400 * time.Millisecond)
	v.Serial("default", "[    0.000000] Linux version 6.12\r")
	settle(14*time.Second - 400*time.Millisecond)
	v.Serial("default", "\x1b[0;32m  OK  \x1b[0m] Started \x1b]0;title\x07stack.service")
	v.State("default", "probing", 14*time.Second, "2 services")
	v.State("default", "probing", 14*time.Second, "2 services") // nothing new
	v.Services("default", []view.Service{{Name: "dashboard"}, {Name: "backend", Note: "nothing listens there"}})
	settle(time.Second)
	v.Services("default", []view.Service{{Name: "dashboard"}, {Name: "backend", Healthy: true, Took: 15 * time.Second}})
	settle(time.Second)
}

func finish(v *view.View) {
	v.Services("default", []view.Service{{Name: "dashboard", Healthy: true, Took: 16 * time.Second}})
	v.Ready("default", 16*time.Second, "resumed", []view.URL{
		{Name: "dashboard", URL: "http://localhost:26700"}, {Name: "backend", URL: "http://localhost:26701"},
	})
	settle(65 * time.Second)
}

func TestPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := view.New(&out, false, false)
		story(v)
		finish(v)
		v.Services("default", []view.Service{{Name: "backend", Note: "status 503"}, {Name: "backend", Note: "gone"}})
		v.State("default", "stopping", 81*time.Second, "")
		v.Line(view.Error, "one\nand \x1b[2Jtwo\n")
		v.Close()
		golden(t, "plain.golden", out.Bytes())
		if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
			t.Errorf("a control code at byte %d of a plain stream", i)
		}
	})
}

// What was healthy in a machine that was captured is told again of the one that is resumed, and nothing of the time until then.
func TestPlainOfTwoMachines(t *testing.T) {
	var out bytes.Buffer
	v := view.New(&out, false, false)
	healthy := []view.Service{{Name: "backend", Healthy: true, Took: time.Second}}
	v.State("default", "capturing", 0, "")
	v.Services("default", healthy)
	v.State("default", "preparing", time.Second, "")
	v.State("default", "probing", time.Second, "")
	v.Services("default", []view.Service{{Name: "backend", Note: "connection reset"}})
	v.Services("default", healthy)
	v.Close()
	golden(t, "two-machines.golden", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update rewrites it); got:\n%s", path, got)
	}
}

func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, false)
		story(v)
		m.want(`
warning: /dev/kvm is there but does not work: using tcg
default  cold-booting  took 14.0s
default  probing       16.0s  2 services
  … dashboard  
  ✓ backend    15.0s`)
		v.Serial("default", "[   15.9] \x1b[1mlast words\x1b[0m")
		settle(100 * time.Millisecond)
		m.want(`
warning: /dev/kvm is there but does not work: using tcg
default  cold-booting  took 14.0s
default  probing       16.1s  2 services
  … dashboard  
  ✓ backend    15.0s
  [   15.9] last words`)
		if !m.hidden || m.styled || m.styles == 0 {
			t.Errorf("cursor hidden %v, a style left on %v, styles %d", m.hidden, m.styled, m.styles)
		}
		finish(v)
		m.want(`
warning: /dev/kvm is there but does not work: using tcg
default  cold-booting  took 14.0s
default  probing       took 2.1s
default  ready         16.0s  resumed
  dashboard  http://localhost:26700
  backend    http://localhost:26701
default  ready         up 1m05s`)
		v.Line(view.Info, "stopping")
		v.Close()
		v.Close()
		v.Line(view.Info, "stopped")
		m.want(`
warning: /dev/kvm is there but does not work: using tcg
default  cold-booting  took 14.0s
default  probing       took 2.1s
default  ready         16.0s  resumed
  dashboard  http://localhost:26700
  backend    http://localhost:26701
stopping
stopped`)
		if m.hidden {
			t.Error("the cursor is still hidden")
		}
	})
}

func TestSeveralInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		defer v.Close()
		v.State("a", "cold-booting", 0, "")
		v.State("b", "absent", 0, "")
		v.Gone("b")
		v.State("c", "cold-booting", time.Second, "attempt 2")
		settle(2 * time.Second)
		m.want(`
a  cold-booting   2.0s
c  cold-booting   3.0s  attempt 2`)
		if m.styles != 0 {
			t.Error("colours in spite of noColor")
		}
	})
}

// An unhealthy service comes back into the block of a ready instance.
func TestReadyThenSick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		defer v.Close()
		v.Ready("a", time.Second, "resumed", nil)
		v.Services("a", []view.Service{{Name: "backend", Note: "status 503"}})
		settle(time.Second)
		m.want(`
a  ready          1.0s  resumed
a  ready         up 1.0s
  … backend  status 503`)
	})
}

func TestLogsStayAboveTheBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		v := view.New(m, true, true)
		v.State("a", "absent", 0, "")
		settle(time.Second)
		for _, part := range []string{"one\ntw", "o\nthr\x1b[5mee", "\nfo", "ur"} {
			if n, err := v.Write([]byte(part)); n != len(part) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
		}
		settle(time.Second)
		m.want("\none\ntwo\nthree\na  absent         2.0s")
		v.Close()
		m.want("\none\ntwo\nthree\nfour")
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestBrokenStream(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		v := view.New(broken{}, terminal, false)
		v.Line(view.Info, "x")
		v.Close()
	}
}

func TestDetect(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for value, want := range map[string]bool{"": false, "1": true} {
		isTerminal, noColor := view.Detect(file, func(name string) (string, bool) { return value, name == "NO_COLOR" })
		if isTerminal || noColor != want {
			t.Errorf("NO_COLOR=%s: terminal %v, noColor %v", value, isTerminal, noColor)
		}
	}
}

func TestDetectTerminal(t *testing.T) {
	device, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	defer tty.Close()
	for _, x := range []struct {
		term, ci string
		want     bool
	}{{"xterm", "", true}, {"", "", true}, {"dumb", "", false}, {"xterm", "true", false}, {"xterm", "1", false}, {"xterm", "false", true}} {
		got, noColor := view.Detect(tty, func(name string) (string, bool) { return map[string]string{"TERM": x.term, "CI": x.ci}[name], true })
		if got != x.want || noColor {
			t.Errorf("%+v: got %v, noColor %v", x, got, noColor)
		}
	}
}

// A line without an end is not kept for ever.
func TestLongLine(t *testing.T) {
	var out bytes.Buffer
	v := view.New(&out, false, true)
	for range 300 {
		_, _ = v.Write(bytes.Repeat([]byte("x"), 1<<10))
	}
	if written := out.Len(); written < 250<<10 {
		t.Errorf("%d bytes are written, the rest is kept", written)
	}
	v.Close()
	if got := bytes.Count(out.Bytes(), []byte("x")); got != 300<<10 {
		t.Errorf("%d characters of %d", got, 300<<10)
	}
}
