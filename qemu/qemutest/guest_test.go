package qemutest_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// guest is a script with a guest.
func guest(g qemutest.Guest) qemutest.Script {
	return qemutest.Script{Agent: &qemutest.Agent{}, Guest: &g}
}

// dialAgent waits for the agent of a machine.
func dialAgent(t *testing.T, v *qemutest.VM) *qga.Client {
	t.Helper()
	g, err := qga.Dial(within(t, patience), v.Agent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	if err := g.Sync(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	return g
}

// postResume sends a request to stackguest.
func postResume(t *testing.T, g *qga.Client, r guestapi.Request) guestapi.Result {
	t.Helper()
	input, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.Exec(within(t, patience), guestapi.Program, []string{guestapi.Command}, input)
	if err != nil {
		t.Fatal(err)
	}
	result, err := guestapi.ParseResult(out.Stdout)
	if err != nil || (result.Err() == nil) != (out.ExitCode == 0) {
		t.Fatalf("%v: %+v", err, out)
	}
	return result
}

func secrets(digit string) map[string]string {
	s := map[string]string{}
	for _, name := range guestapi.SecretNames {
		s[name] = strings.Repeat(digit, 64)
	}
	return s
}

func TestPostResume(t *testing.T) {
	v := qemutest.Boot(t, qemutest.Binary(t, guest(qemutest.Guest{})), qemu.Default(qemu.AMD64, 128, 1), nil)
	g := dialAgent(t, v)
	now := time.Now()
	short := secrets("a")
	short[guestapi.CronSecret] = "a"
	for _, c := range []struct {
		name    string
		request guestapi.Request
		steps   int
		err     string
	}{
		{"no time", guestapi.Request{}, 1, "clock: the request has no time"},
		{"time only", guestapi.Request{Time: now}, 1, ""},
		{"all but mounts", guestapi.Request{Time: now, Entropy: []byte("x"), Runtime: map[string]string{"A": "b"}, Secrets: secrets("a")}, 4, ""},
		{"no such device", guestapi.Request{Time: now, Mounts: []guestapi.Mount{{Tag: "none", Path: "/host/x"}}, Secrets: secrets("a")}, 2, `mounts: there is no device with the tag "none"`},
		{"a short secret", guestapi.Request{Time: now, Secrets: short}, 2, "rotation: CRON_SECRET: a secret must be 64 lower-case hexadecimal digits"},
	} {
		got := postResume(t, g, c.request)
		message := ""
		if err := got.Err(); err != nil {
			message = err.Error()
		}
		if len(got.Steps) != c.steps || message != c.err {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestGuestWithoutTools(t *testing.T) {
	v := qemutest.Boot(t, qemutest.Binary(t, guest(qemutest.Guest{NoTools: true})), qemu.Default(qemu.AMD64, 128, 1), nil)
	if _, err := dialAgent(t, v).Exec(within(t, patience), guestapi.Program, nil, nil); !errors.Is(err, qga.ErrNoProgram) {
		t.Errorf("got %v", err)
	}
}

// A guest goes on with the RAM and the disk of the moment when it was saved, and with no other.
func TestMomentsOfAGuest(t *testing.T) {
	b := qemutest.Binary(t, guest(qemutest.Guest{}))
	dir := t.TempDir()
	l := qemu.Default(qemu.AMD64, 128, 1)
	l.RAMFile, l.RAMShare = filepath.Join(dir, "ram.img"), true
	base := filepath.Join(dir, "base.qcow2")
	if err := os.WriteFile(base, qemutest.Qcow2(""), 0o600); err != nil {
		t.Fatal(err)
	}
	disk, state := qemutest.Overlay(t, b, base), filepath.Join(dir, "state")
	v := qemutest.Boot(t, b, l, func(w *qemu.Wiring) { w.Disk = disk })
	postResume(t, dialAgent(t, v), guestapi.Request{Time: time.Now(), Secrets: secrets("b")})
	q := v.Dial(t, nil)
	if err := errors.Join(q.Stop(within(t, patience)), q.SaveLazy(within(t, patience), state), q.Quit(within(t, patience))); err != nil {
		t.Fatal(err)
	}
	<-v.Done()

	otherRAM := filepath.Join(dir, "other.img")
	if err := errors.Join(os.WriteFile(otherRAM, nil, 0o600), os.Truncate(otherRAM, 128<<20)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, ram, below, want string }{
		{"the same", l.RAMFile, disk, ""},
		{"other RAM", otherRAM, disk, "RAM is of another moment"},
		{"a fresh disk on the image", l.RAMFile, base, "the disk is of another moment"},
	} {
		again := l
		again.RAMFile, again.RAMShare = c.ram, false
		v := qemutest.Boot(t, b, again, func(w *qemu.Wiring) {
			w.Disk, w.Incoming = qemutest.Overlay(t, b, c.below), qemu.IncomingSnapshot
		})
		opened := make(chan qmp.Event, 10)
		q := v.Dial(t, func(e qmp.Event) {
			if e.Event == "VSERPORT_CHANGE" {
				opened <- e
			}
		})
		err := q.LoadLazy(within(t, patience), state)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			continue
		}
		if open, err := q.FrontendOpen(within(t, patience), qemu.AgentChardev); err != nil || open {
			t.Errorf("%s: the port of a guest that stands still is open: %v, %v", c.name, open, err)
		}
		if err := q.Cont(within(t, patience)); err != nil {
			t.Fatal(err)
		}
		<-opened
		dialAgent(t, v)
	}
}
