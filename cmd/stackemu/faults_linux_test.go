package main

import (
	"strings"
	"syscall"
	"testing"
)

// Of a home that cannot be written to, what is there can still be looked at; a start says what is wrong with it.
func TestReadOnlyHome(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	key := e.rotated()
	e.run(0, "stop")
	if err := syscall.Mount(e.home, e.home, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("no read-only file system to be had: %v", err)
	}
	mounted := true
	unmount := func() {
		if mounted {
			_ = syscall.Unmount(e.home, syscall.MNT_DETACH)
			mounted = false
		}
	}
	t.Cleanup(unmount)
	if err := syscall.Mount("", e.home, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	e.look("stop")
	for _, command := range []string{"start", "up", "capture", "run -- true"} {
		e.complains(e.run(exitFailed, strings.Fields(command)...), "^stackemu: .*read-only file system")
	}
	e.complains(e.run(exitFailed, "reset", "--yes"), "^stackemu: .*read-only file system")
	unmount()
	e.run(0, "start")
	if now := e.rotated(); now != key {
		t.Errorf("the key was %s and is %s", key, now)
	}
	e.stopped("default")
}
