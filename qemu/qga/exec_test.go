package qga_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qga"
)

// serve returns a client of a played agent. There is a socket between them, as there is before a real one: in a pipe without
// a buffer an agent whose answer nobody waits for any more and a client that asks anew would wait for each other.
func serve(t *testing.T, a qemutest.Agent, poweroff func()) *qga.Client {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "qga"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g, err := qga.Dial(within(t, patience), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	go a.Serve(theirs, poweroff)
	return g
}

func TestExec(t *testing.T) {
	g := serve(t, qemutest.Agent{Execs: map[string]qemutest.Exec{
		"/bin/slow": {Takes: 60 * time.Millisecond, ExitCode: 3, Stdout: "out", Stderr: "err"},
		"/bin/cat":  {Echo: true},
	}}, nil)
	r, err := g.Exec(within(t, patience), "/bin/slow", nil, nil)
	if err != nil || r.ExitCode != 3 || string(r.Stdout) != "out" || string(r.Stderr) != "err" {
		t.Errorf("got %+v, %v", r, err)
	}
	r, err = g.Exec(within(t, patience), "/bin/cat", []string{"-"}, []byte("in\x00put"))
	if err != nil || r.ExitCode != 0 || string(r.Stdout) != "in\x00put" {
		t.Errorf("got %+v, %v", r, err)
	}
	var refusal *qga.Error
	if _, err = g.Exec(within(t, patience), "/bin/none", nil, nil); !errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
}

// What the agent says of output that it has cut off reaches the caller, whichever of the two it was.
func TestExecTruncated(t *testing.T) {
	for cut, want := range map[string]bool{
		``: false,
		`, "out-truncated": true, "err-truncated": false`: true,
		`, "out-truncated": false, "err-truncated": true`: true,
	} {
		g, p := connect(t)
		go func() {
			p.sync()
			p.answer("guest-exec", `{"return": {"pid": 7}}`)
			p.answer("guest-exec-status", `{"return": {"exited": true, "exitcode": 0, "out-data": "b3V0", "err-data": "ZXJy"`+cut+`}}`)
		}()
		r, err := g.Exec(within(t, patience), "/bin/yes", nil, nil)
		if err != nil || r.Truncated != want || string(r.Stdout) != "out" || string(r.Stderr) != "err" {
			t.Errorf("%q: got %+v, %v", cut, r, err)
		}
	}
}

// An older agent does not tell that it has cut something off.
func TestExecFull(t *testing.T) {
	full := strings.Repeat("x", 16<<20)
	g := serve(t, qemutest.Agent{Execs: map[string]qemutest.Exec{"/bin/yes": {Stdout: full}, "/bin/no": {Stdout: full[1:]}}}, nil)
	for path, want := range map[string]bool{"/bin/yes": true, "/bin/no": false} {
		if r, err := g.Exec(within(t, patience), path, nil, nil); err != nil || r.Truncated != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestExecLeftRunning(t *testing.T) {
	g := serve(t, qemutest.Agent{Execs: map[string]qemutest.Exec{"/bin/slow": {Takes: time.Hour}}}, nil)
	_, err := g.Exec(within(t, 50*time.Millisecond), "/bin/slow", nil, nil)
	var left *qga.StillRunningError
	if !errors.As(err, &left) || left.PID == 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := g.Execute(within(t, patience), "guest-ping", nil, nil); err != nil {
		t.Errorf("the client is of no use afterwards: %v", err)
	}
}

// Of a guest with two processors, as QEMU 10.0's agent tells it.
func TestCPUTime(t *testing.T) {
	g, p := connect(t)
	go func() {
		p.sync()
		p.answer("guest-get-cpustats", `{"return": [`+
			`{"type":"linux","cpu":0,"user":1000,"nice":1,"system":200,"idle":5000,"iowait":30,"irq":4,"softirq":5,"steal":0,"guest":0,"guestnice":0},`+
			`{"type":"linux","cpu":1,"user":2000,"nice":0,"system":300,"idle":4000,"iowait":0,"irq":0,"softirq":10,"steal":6,"guest":0,"guestnice":0}]}`)
		p.answer("guest-get-cpustats", `{"error": {"class": "CommandNotFound", "desc": "The command guest-get-cpustats has not been found"}}`)
	}()
	busy, idle, err := g.CPUTime(within(t, patience))
	if busy != 3526*time.Millisecond || idle != 9030*time.Millisecond || err != nil {
		t.Errorf("got %v, %v, %v", busy, idle, err)
	}
	if _, _, err := g.CPUTime(within(t, patience)); err == nil {
		t.Error("an agent that does not know tells all the same")
	}
}

func TestShutdownReachesTheGuest(t *testing.T) {
	off := make(chan struct{})
	g := serve(t, qemutest.Agent{}, func() { close(off) })
	if err := g.Shutdown(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-off:
	case <-time.After(patience):
		t.Error("the guest is still on")
	}
}

func TestMuteAgent(t *testing.T) {
	g := serve(t, qemutest.Agent{Mute: true}, nil)
	for range 3 {
		if err := g.Sync(within(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
}
