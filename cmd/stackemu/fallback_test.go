package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu/qemutest"
)

// Whatever goes wrong with a resume, the instance is up after a cold boot: the user sees one warning with the reason, has
// secrets of the instance's own, and is quick again the next time.
func TestResumeThatFails(t *testing.T) {
	t.Parallel()
	const bootsInstead = ".*; boots from its disk instead$"
	for _, c := range []struct {
		name  string
		spoil func(*qemutest.Script)
		why   string
	}{
		{"QEMU refuses the state", func(s *qemutest.Script) { s.Monitor.Migration.LoadError = "Missing section footer" },
			`resume: monitor: qmp: load of .*Missing section footer`},
		{"QEMU crashes", func(s *qemutest.Script) { s.Monitor.Migration.LoadDies = &qemutest.Exit{Signal: 11} },
			`resume: (machine: qemu: killed by signal segmentation fault|monitor: qmp: load of .*)`},
		{"a step in the guest fails", func(s *qemutest.Script) {
			s.Guest = &qemutest.Guest{StepErrors: map[string]string{"rotation": "no database"}}
		},
			`resume: agent: post-resume: rotation: no database`},
		{"the services are ill", func(s *qemutest.Script) { s.HTTP = &qemutest.HTTP{Resumed: http.StatusBadGateway} },
			`resume: the services to become healthy: no success within 1s: backend \(status 502 Bad Gateway\), dashboard`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, healthy)
			e.env = append(e.env, "EMULATOR_SNAPSHOT_READY_TIMEOUT=1")
			e.run(0, "capture")
			spoilt := healthy
			c.spoil(&spoilt)
			qemutest.Rewrite(t, e.qemu, spoilt)
			u := e.up()
			key := e.rotated()
			e.stop(u)
			e.says(u, "resuming", "^warning: default: "+c.why+"(.|\n)*"+bootsInstead, "cold-booting", "refreshing", "probing", "ready")
			e.saysOnce(u, "warning")
			e.saysNot(u, "capturing")
			if s := e.snapshots(); len(s) != 1 {
				t.Errorf("one failure has cost the snapshot: %q", s)
			}

			qemutest.Rewrite(t, e.qemu, healthy)
			u = e.up()
			if again := e.rotated(); again != key {
				t.Errorf("the key was %s and is %s", key, again)
			}
			e.stop(u)
			e.says(u, "resuming", "ready")
			e.saysNot(u, "warning", "cold-booting")
		})
	}
}

// A session that does not load is kept for whoever wants to know why; the data is on the disk.
func TestSessionThatDoesNotLoad(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	u := e.up()
	key := e.rotated()
	e.stop(u)
	spoilt := healthy
	spoilt.Monitor.Migration.LoadError = "Missing section footer"
	qemutest.Rewrite(t, e.qemu, spoilt)
	u = e.up()
	if again := e.rotated(); again != key {
		t.Errorf("the key was %s and is %s", key, again)
	}
	e.stop(u)
	e.says(u, "resuming", `^warning: default: resume: .*Missing section footer.*boots from its disk instead`,
		`the saved session is not used and was set aside as session\.broken-`, "cold-booting", "ready")
}

// A snapshot that fails three times in a row is not tried a fourth time.
func TestSnapshotThatFailsTooOften(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	spoilt := healthy
	spoilt.Monitor.Migration.LoadError = "Missing section footer"
	qemutest.Rewrite(t, e.qemu, spoilt)
	for n := range 3 {
		u := e.up()
		e.stop(u)
		e.says(u, "resuming", "boots from its disk instead")
		if retired := len(e.snapshots()) == 0; retired != (n == 2) {
			t.Errorf("retired after %d failures: %v", n+1, retired)
		}
		e.run(0, "reset", "--yes")
	}
	qemutest.Rewrite(t, e.qemu, healthy)
	u := e.up()
	e.stop(u)
	e.says(u, "captures a snapshot first", "capturing", "resuming", "ready")
}

func TestCaptureThatFailsIsFollowedByAColdBoot(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Monitor.Migration.SaveError = "no space left on device"
	e := newEmulator(t, s)
	u := e.up()
	e.rotated()
	u.Interrupt()
	u.End()
	e.says(u, "capturing", `^warning: default: capture: monitor: qmp: .*no space left on device.*boots from its disk instead`, "cold-booting", "ready")
	if all, _ := os.ReadDir(e.file("snapshots")); len(e.snapshots()) > 0 || len(all) > 1 { // the lock
		t.Errorf("left in the store: %v", all)
	}
}

// --require-snapshot is for those who would rather know than wait.
func TestRequireSnapshot(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	u := e.up("--require-snapshot") // there is none yet: capturing one is allowed
	e.stop(u)
	e.says(u, "capturing", "resuming", "ready")
	u = e.up("--require-snapshot")
	e.stop(u)
	e.says(u, "resuming", "ready")

	if err := os.RemoveAll(e.file("run/vm/session")); err != nil {
		t.Fatal(err)
	}
	u = e.run(exitFailed, "up", "--require-snapshot")
	e.complains(u, `^stackemu: default: there is nothing to resume, and booting from the disk is forbidden \(--require-snapshot\)$`)
	e.nothingLeft()

	e.run(0, "reset", "--yes")
	spoilt := healthy
	spoilt.Monitor.Migration.LoadError = "Missing section footer"
	qemutest.Rewrite(t, e.qemu, spoilt)
	u = e.run(exitFailed, "up", "--require-snapshot")
	e.complains(u, `^stackemu: default: resume: monitor: qmp: load of .*Missing section footer`)
	e.saysNot(u, "cold-booting", "ready")
	e.nothingLeft()

	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	u = e.run(exitUsage, "up", "--require-snapshot")
	e.complains(u, "^stackemu: --require-snapshot and EMULATOR_NO_SNAPSHOT contradict each other$")
}

// An image of the product's own builds has no stackguest. Its snapshot says so, and its guest is brought up to date step by step.
func TestImageWithoutGuestTools(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Guest = &qemutest.Guest{NoTools: true}
	e := newEmulator(t, s)
	e.run(0, "capture")
	manifest, err := os.ReadFile(e.file("snapshots", e.snapshots()[0], "manifest.json"))
	if err != nil || !strings.Contains(string(manifest), `"guestTools": false`) {
		t.Errorf("%v: %s", err, manifest)
	}
	u := e.up("--mount", t.TempDir())
	e.rotated()
	e.stop(u)
	e.says(u, "resuming", "ready")
	e.saysNot(u, "warning", "cold-booting")
}

// EMULATOR_NO_SNAPSHOT is for those who distrust all of this: each start boots, and each stop shuts the guest down.
func TestNoSnapshotMeansNoSession(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	var key string
	for n := range 2 {
		u := e.up()
		if now := e.rotated(); n > 0 && now != key {
			t.Errorf("the key was %s and is %s", key, now)
		} else {
			key = now
		}
		e.stop(u)
		e.says(u, "cold-booting", "ready", "stopping", "stopped")
		e.saysNot(u, "warning", "captur", "saving", "set aside")
	}
}
