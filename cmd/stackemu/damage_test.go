package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackemu/stackemu/qemu/qemutest"
)

// broken are the snapshots that were set aside.
func (e *emulator) broken() []string {
	e.Helper()
	dirs, err := filepath.Glob(e.file("snapshots", "*.broken-*"))
	if err != nil {
		e.Fatal(err)
	}
	return dirs
}

// A snapshot that is not what was captured is never resumed: it is set aside, the user is told which file it was, and a new one
// is captured. QEMU would load most of these without a word.
func TestDamagedSnapshot(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"ram.img":       truncate,
		"device.state":  truncate,
		"disk.qcow2":    truncate,
		"manifest.json": truncate,
		"base.qcow2":    os.Remove, // truncated, it would be the image itself by another name: see TestDamagedImage
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, healthy)
			e.run(0, "capture")
			if err := damage(e.file("snapshots", e.snapshots()[0], name)); err != nil {
				t.Fatal(err)
			}
			u := e.up()
			e.rotated()
			e.stop(u)
			e.says(u, `^warning: default: set aside a damaged snapshot: .*`+name, `captures a .*snapshot first.*\(the former one was damaged\)`,
				"capturing", "resuming", "ready")
			e.saysNot(u, "cold-booting")
			if s := e.snapshots(); len(s) != 1 {
				t.Errorf("snapshots: %q", s)
			}
			if b := e.broken(); len(b) != 1 {
				t.Errorf("set aside: %q", b)
			} else if _, err := os.Stat(filepath.Join(b[0], "cause")); err != nil {
				t.Error(err)
			}
		})
	}
}

// truncate halves a file, also one that may not be written to.
func truncate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return errors.Join(os.Chmod(path, 0o600), os.Truncate(path, info.Size()/2))
}

// With the image damaged there is nothing left to start from. That is said before anything is started.
func TestDamagedImage(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	if err := os.Truncate(e.file("images", "stack-emulator-amd64.qcow2"), 0); err != nil {
		t.Fatal(err)
	}
	u := e.run(exitFailed, "up")
	e.complains(u, `^stackemu: default: image: .*stack-emulator-amd64\.qcow2: not a qcow2 image`)
	e.saysNot(u, "capturing", "resuming", "cold-booting")
	e.nothingLeft()
}

// Another image, or another layout, means another snapshot, with the reason in the line about it.
func TestAnotherSnapshotIsCaptured(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	e.env = append(e.env, "EMULATOR_RAM=1024")
	u := e.up()
	e.stop(u)
	e.says(u, `captures a snapshot first.*\(RAM in MiB 512 -> 1024\)`, "capturing", "resuming", "ready")
	e.run(0, "reset", "--yes")
	image := e.file("images", "stack-emulator-amd64.qcow2")
	if err := errors.Join(os.WriteFile(image+".new", append(qemutest.Qcow2(""), 0), 0o600), os.Rename(image+".new", image)); err != nil {
		t.Fatal(err)
	}
	u = e.up()
	e.stop(u)
	e.says(u, `captures a snapshot first.*\(image [0-9a-f]{12} -> [0-9a-f]{12}\)`, "capturing", "resuming", "ready")
}

// A session that is not what was saved is set aside. What the guest had stored is on its disk.
func TestDamagedSession(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ram.img", "device.state", "manifest.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, healthy)
			u := e.up()
			key := e.rotated()
			e.stop(u)
			if err := truncate(e.file("run/vm/session", name)); err != nil {
				t.Fatal(err)
			}
			u = e.up()
			if again := e.rotated(); again != key {
				t.Errorf("the key was %s and is %s", key, again)
			}
			e.stop(u)
			e.says(u, `^warning: default: the saved session is not used and was set aside as session\.broken-.*no data on the disk is lost`,
				"cold-booting", "ready", "saving")
			e.saysNot(u, "resuming", "capturing")
			u = e.up()
			e.stop(u)
			e.says(u, "resuming", "ready")
			e.saysNot(u, "warning")
		})
	}
}
