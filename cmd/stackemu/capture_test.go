package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

func TestCapture(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.run(0, "capture")
	e.says(c, "capturing", "backend .*healthy", "saving", "captured the snapshot", "stopped")
	e.saysNot(c, "warning", "ready", "resuming")
	first := e.snapshots()
	if len(first) != 1 {
		t.Fatalf("snapshots: %q", first)
	}
	if _, err := os.Stat(e.file("run/vm")); err == nil {
		t.Error("a capture has made an instance")
	}

	c = e.run(0, "capture") // once is enough
	e.says(c, "there is a snapshot already", "stopped")
	e.saysNot(c, "capturing", "resuming", "warning")
	if now := e.snapshots(); len(now) != 1 || now[0] != first[0] {
		t.Errorf("was %q, is %q", first, now)
	}

	c = e.run(0, "capture", "--json")
	e.says(c, `^\{\n`, `"command": "capture"`, `"captured": false`)
	e.complains(c, "there is a snapshot already")

	c = e.run(0, "capture", "--force")
	e.says(c, "capturing", "saving", "stopped")
	second := e.snapshots()
	if len(second) != 1 || second[0] == first[0] {
		t.Errorf("was %q, is %q", first, second)
	}

	u := e.up()
	e.rotated()
	e.stop(u)
	e.says(u, "preparing", "resuming", "ready")
	e.saysNot(u, "captur", "cold-booting", "warning")
}

// Instances that were resumed from a snapshot, and their sessions, do not mind when it is captured again.
func TestCaptureAgainBelowAnInstance(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	u := e.up()
	key := e.rotated()
	e.says(e.run(0, "capture"), "there is a snapshot already")
	e.run(0, "capture", "--force")
	if !e.accepts(key) {
		t.Error("the instance has suffered")
	}
	e.stop(u)
	e.run(0, "capture", "--force") // nobody holds the first one any more
	if s := e.snapshots(); len(s) != 1 {
		t.Errorf("snapshots: %q", s)
	}
	u = e.up()
	if again := e.rotated(); again != key {
		t.Errorf("the key was %s and is %s", key, again)
	}
	e.stop(u)
	e.saysNot(u, "warning", "cold-booting", "capturing")
}

func TestForcedCaptureByUp(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	e.env = append(e.env, "EMULATOR_FORCE_CAPTURE=1")
	u := e.up()
	e.stop(u)
	e.says(u, `captures a snapshot first.*\(a new one is asked for\)`, "capturing", "resuming", "ready")
}

// Ctrl-C during a capture ends it at once and leaves nothing.
func TestCaptureIsInterrupted(t *testing.T) {
	t.Parallel()
	s := healthy
	s.HTTP = nil // it never comes to its end
	e := newEmulator(t, s)
	c := e.start("capture")
	c.Until("capturing")
	c.Interrupt()
	if code := c.End(); code != exitForced || !strings.Contains(c.Stderr(), "stackemu: capture: stopped before the snapshot was captured") {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
	if all, _ := os.ReadDir(e.file("snapshots")); len(all) > 1 { // the lock
		t.Errorf("left in the store: %v", all)
	}
}

// A guest agent that is restarted opens its port once more, and so does a port whose opening is told by event and by answer.
// The host ports are open by then.
func TestCaptureOfAGuestThatOpensItsPortTwice(t *testing.T) {
	t.Parallel()
	s := healthy
	port := func(open bool) qemutest.Event {
		return qemutest.Event{After: 200 * time.Millisecond, Name: "VSERPORT_CHANGE", Data: map[string]any{"id": qemu.AgentDevice, "open": open}}
	}
	s.Monitor.Events = []qemutest.Event{port(true), port(false), port(true)} // while the services are waited for
	s.HTTP = &qemutest.HTTP{After: time.Second}
	e := newEmulator(t, s)
	c := e.run(0, "capture")
	e.says(c, "capturing", "saving", "captured the snapshot", "stopped")
	e.saysNot(c, "warning")
}

// Services may be healthy before the guest's agent has answered for the first time.
func TestCaptureWaitsForTheAgent(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Agent, s.HTTP = &qemutest.Agent{Delay: 500 * time.Millisecond}, &qemutest.HTTP{}
	e := newEmulator(t, s)
	c := e.run(0, "capture")
	e.says(c, "capturing", "healthy", "saving", "captured the snapshot", "stopped")
	e.saysNot(c, "warning")
}

func TestCaptureThatFails(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Monitor.Migration.SaveError = "no space left on device"
	e := newEmulator(t, s)
	c := e.run(exitFailed, "capture")
	e.complains(c, `^stackemu: .*capture: monitor: qmp: .*no space left on device`)
	e.saysNot(c, "cold-booting", "ready")

	qemutest.Rewrite(t, e.qemu, healthy)
	e.run(0, "capture")
	qemutest.Rewrite(t, e.qemu, s)
	before := e.snapshots()
	e.run(exitFailed, "capture", "--force")
	if now := e.snapshots(); len(now) != 1 || now[0] != before[0] {
		t.Errorf("a capture that failed has cost the old snapshot: was %q, is %q", before, now)
	}
}

func TestCaptureTakesNoArgument(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.complains(e.run(exitUsage, "capture", "default"), "^stackemu: capture takes no argument$")
}
