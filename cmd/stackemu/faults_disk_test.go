package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stackemu/stackemu/qemu/qemutest"
)

// The disk of the host is full: the guest is paused and not restarted, everybody is told, and when there is room it goes on.
func TestDiskOfARunningInstanceIsFull(t *testing.T) {
	t.Parallel()
	full := filepath.Join(t.TempDir(), "full")
	s := healthy
	s.Guest = &qemutest.Guest{DiskFull: full}
	e := newBackground(t, s)
	e.run(0, "start")
	key, st := e.rotated(), e.status(0, "default")
	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	if err := os.WriteFile(full, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	follower.Until(`"kind":"disk".*"diskFull":true`)
	follower.Until(`the disk is full: the guest is paused until there is room`)
	e.says(e.run(exitUnhealthy, "status"), "^state +paused, the disk is full: it goes on when there is room, up ")
	e.says(e.run(exitFailed, "start", "--json"), `"code": "disk_full"`)
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	follower.Until(`"kind":"disk"`)
	follower.Until(`there is room on the disk again`)
	e.run(0, "start")
	if now := e.status(0, "default"); now.DiskFull || now.VM == nil || now.VM.PID != st.VM.PID {
		t.Errorf("got %+v", now)
	}
	if now := e.rotated(); now != key {
		t.Errorf("the key was %s and is %s", key, now)
	}
	e.stopped("default")
}
