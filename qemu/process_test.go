package qemu_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// start starts a process that does not outlive the test.
func start(t *testing.T, c qemu.Command) *qemu.Process {
	t.Helper()
	p, err := qemu.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); await(t, "the end of the process", p.Done()) })
	return p
}

func small() qemu.Layout { return qemu.Default(qemu.HostArch(), 128, 2) }

// A dial works at once, although the process is not up yet.
func TestFakeConversation(t *testing.T) {
	v := qemutest.Boot(t, qemutest.Binary(t, qemutest.Script{Agent: &qemutest.Agent{}}), small(), nil)
	last := ""
	q, err := qmp.Dial(within(t, patience), v.Monitor, func(e qmp.Event) { last = e.Event })
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for open, ctx := false, within(t, patience); !open; { // a guest takes its time
		if open, err = q.FrontendOpen(ctx, qemu.AgentChardev); err != nil {
			t.Fatalf("agent's port: %v", err)
		}
	}
	g, err := qga.Dial(within(t, patience), v.Agent)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Shutdown(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of QEMU", v.Done())
	await(t, "the end of the monitor", q.Done())
	if v.Err() != nil || last != "SHUTDOWN" {
		t.Errorf("ended with %v after the event %s", v.Err(), last)
	}
	if _, err := qmp.Dial(within(t, patience), v.Monitor, nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a dial of a dead QEMU: %v", err)
	}
}

func TestExitErrors(t *testing.T) {
	for name, c := range map[string]struct {
		script qemutest.Script
		kill   bool
		code   int
		signal syscall.Signal
		text   string
	}{
		"refused": {script: qemutest.Script{Refuse: "-device nonsense: no such device"}, code: 1,
			text: "qemu: exit code 1: qemu-system-fake: -device nonsense: no such device"},
		"died":    {script: qemutest.Script{Exit: &qemutest.Exit{Code: 7, Stderr: "one\ntwo"}}, code: 7, text: "qemu: exit code 7: two"},
		"crashed": {script: qemutest.Script{Exit: &qemutest.Exit{Signal: int(syscall.SIGSEGV)}}, code: -1, signal: syscall.SIGSEGV, text: "qemu: killed by signal segmentation fault"},
		"killed":  {script: qemutest.Script{IgnoreTerm: true}, kill: true, code: -1, signal: syscall.SIGKILL, text: "qemu: killed by signal killed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := qemutest.Binary(t, c.script)
			p := start(t, qemu.Command{Path: b.Path, Args: []string{"-machine", "none"}})
			if c.kill {
				if p.Err() != nil {
					t.Errorf("runs, but: %v", p.Err())
				}
				p.Kill()
			}
			await(t, "the end", p.Done())
			var exit *qemu.ExitError
			if !errors.As(p.Err(), &exit) || exit.Code != c.code || exit.Signal != c.signal || !strings.HasPrefix(p.Err().Error(), c.text) {
				t.Errorf("got %v, %+v", p.Err(), exit)
			}
			p.Kill() // of a process that is gone: nothing
		})
	}
}

func TestTermAndIgnoredTerm(t *testing.T) {
	b := qemutest.Binary(t, qemutest.Script{})
	v := qemutest.Boot(t, b, small(), nil)
	q, err := qmp.Dial(within(t, patience), v.Monitor, nil) // it is up, and its handler in place
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	v.Signal(syscall.SIGTERM)
	await(t, "the end", v.Done())
	if v.Err() != nil {
		t.Error(v.Err())
	}
	v = qemutest.Boot(t, qemutest.Binary(t, qemutest.Script{IgnoreTerm: true}), small(), nil)
	v.Signal(syscall.SIGTERM)
	select {
	case <-v.Done():
		// The signal may have been faster than the handler: nothing is proved, and nothing refuted.
	case <-time.After(100 * time.Millisecond):
	}
}

func TestStartFails(t *testing.T) {
	if _, err := qemu.Start(qemu.Command{Path: "/no/such/qemu"}); err == nil || !strings.HasPrefix(err.Error(), "qemu: ") {
		t.Errorf("got %v", err)
	}
	if _, err := qemu.Start(qemu.Command{Path: "/bin/true", Log: "/no/such/dir/log"}); err == nil {
		t.Error("a log that cannot be made was taken")
	}
}

// The log is private, is appended to, and only what this process has said is quoted.
func TestLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "qemu.log")
	for _, word := range []string{"first", "second"} {
		p := start(t, qemu.Command{Path: "/bin/sh", Args: []string{"-c", "echo $0 >&2; exit 1", word}, Log: log})
		await(t, "the end", p.Done())
		var exit *qemu.ExitError
		if !errors.As(p.Err(), &exit) || exit.Stderr != word+"\n" {
			t.Errorf("got %+v", exit)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil || string(text) != "first\nsecond\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if info, err := os.Stat(log); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestLongStderrKeepsTheTail(t *testing.T) {
	p := start(t, qemu.Command{Path: "/bin/sh", Args: []string{"-c", "yes line | head -c 2000000 >&2; echo last >&2; exit 3"},
		Log: filepath.Join(t.TempDir(), "log")})
	await(t, "the end", p.Done())
	var exit *qemu.ExitError
	if !errors.As(p.Err(), &exit) || len(exit.Stderr) != 8<<10 || !strings.HasSuffix(exit.Stderr, "\nlast\n") {
		t.Errorf("got %v", p.Err())
	}
}

func TestStdoutAndGroup(t *testing.T) {
	var out bytes.Buffer
	p := start(t, qemu.Command{Path: "/bin/sh", Args: []string{"-c", "read x; echo got $? $x; ps -o pgid= -p $$ 2>/dev/null || echo $$"}, Stdout: &out})
	await(t, "the end", p.Done())
	if !strings.HasPrefix(out.String(), "got 1\n") { // nothing to read
		t.Errorf("got %q", out.String())
	}
	if group, err := syscall.Getpgid(syscall.Getpid()); err != nil || group == p.PID() {
		t.Error("the process shares our group")
	}
}
