package qemutest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	qemutest.Main()
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second

// play starts a fake with one forwarded port, and returns the process, its sockets' directory and the port.
func play(t *testing.T, s qemutest.Script) (*qemu.Process, string, int) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	b, dir := qemutest.Binary(t, s), t.TempDir()
	l := qemu.Default(qemu.AMD64, 128, 1)
	argv, err := l.Argv(qemu.Wiring{Name: "fake", Disk: "disk", Placeholder: "zeros", MonitorFD: 3, AgentFD: 4, Accel: qemu.TCG,
		VMGenID: "auto", Forwards: []qemu.Forward{{HostPort: port, GuestPort: 80}}})
	if err != nil {
		t.Fatal(err)
	}
	ml, mf, err := qemu.Listen(filepath.Join(dir, "monitor"))
	if err != nil {
		t.Fatal(err)
	}
	al, af, err := qemu.Listen(filepath.Join(dir, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := qemu.Start(qemu.Command{Path: b.Path, Args: argv, Files: []*os.File{mf, af}})
	for _, c := range []io.Closer{ml, mf, al, af} {
		c.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done() })
	return p, dir, port
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestEventsAndPowerdown(t *testing.T) {
	p, dir, _ := play(t, qemutest.Script{
		Monitor: qemutest.Monitor{Events: []qemutest.Event{{After: 50 * time.Millisecond, Name: "GUEST_PANICKED"}}, PowerdownTakes: 10 * time.Millisecond},
	})
	events := make(chan qmp.Event, 10)
	q, err := qmp.Dial(within(t, patience), filepath.Join(dir, "monitor"), func(e qmp.Event) { events <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if e := <-events; e.Event != "GUEST_PANICKED" {
		t.Errorf("got %v", e)
	}
	if err := q.Powerdown(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if a, b := <-events, <-events; p.Err() != nil || a.Event != "POWERDOWN" || b.Data["guest"] != true {
		t.Errorf("got %v, %v, %v", a, b, p.Err())
	}
}

// The agent's port is closed until its time has come.
func TestAgentPort(t *testing.T) {
	_, dir, _ := play(t, qemutest.Script{Agent: &qemutest.Agent{After: time.Second}})
	opened := make(chan qmp.Event, 1)
	q, err := qmp.Dial(within(t, patience), filepath.Join(dir, "monitor"), func(e qmp.Event) { opened <- e })
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if open, err := q.FrontendOpen(within(t, patience), qemu.AgentChardev); err != nil {
		t.Error(err)
	} else if !open {
		if e := <-opened; e.Event != "VSERPORT_CHANGE" || e.Data["id"] != qemu.AgentDevice || e.Data["open"] != true {
			t.Errorf("got %v", e)
		}
	}
	g, err := qga.Dial(within(t, patience), filepath.Join(dir, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Sync(within(t, patience)); err != nil {
		t.Error(err)
	}
}

func TestDeafToPowerdownAndQuit(t *testing.T) {
	p, dir, _ := play(t, qemutest.Script{Monitor: qemutest.Monitor{IgnorePowerdown: true, IgnoreQuit: true,
		Errors: map[string]qmp.Error{"query-status": {Class: "GenericError", Desc: "no"}}}})
	q, err := qmp.Dial(within(t, patience), filepath.Join(dir, "monitor"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := errors.Join(q.Powerdown(within(t, patience)), q.Quit(within(t, patience))); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Status(within(t, patience)); err == nil || err.Error() != "qmp: query-status: no" {
		t.Errorf("got %v", err)
	}
	select {
	case <-p.Done():
		t.Error("it has obeyed")
	default:
	}
}

func TestSilence(t *testing.T) {
	_, dir, _ := play(t, qemutest.Script{Monitor: qemutest.Monitor{Mute: true}})
	if _, err := qmp.Dial(within(t, 100*time.Millisecond), filepath.Join(dir, "monitor"), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	g, err := qga.Dial(within(t, patience), filepath.Join(dir, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Sync(within(t, 100*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestHTTP(t *testing.T) {
	_, _, port := play(t, qemutest.Script{HTTP: &qemutest.HTTP{After: 200 * time.Millisecond, Status: http.StatusTeapot, Body: "tea"}})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx := within(t, patience); ; {
		r, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		if err == nil {
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if r.StatusCode != http.StatusTeapot || string(body) != "tea" || err != nil {
				t.Errorf("got %s %q, %v", r.Status, body, err)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
