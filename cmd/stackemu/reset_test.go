package main

import (
	"os"
	"testing"
)

func TestReset(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.says(e.run(0, "reset"), "^default has no data$")
	e.says(e.run(0, "reset", "--name", "typo", "--json"), `"hadData": false,`, `"instance": "typo"`)
	if _, err := os.Stat(e.file("run/typo")); err == nil {
		t.Error("a reset has made an instance")
	}
	e.stop(e.up())

	c := e.run(exitUsage, "reset") // the test has no terminal
	e.complains(c, "^stackemu: default: there is no terminal to ask on: add --yes$")
	u := e.up()
	e.saysNot(u, "capturing", "cold-booting")
	c = e.run(exitFailed, "reset", "--yes") // not under a running VM
	e.complains(c, `^stackemu: default: is already running \(its supervisor has pid \d+\)`)
	e.says(e.run(exitFailed, "reset", "--yes", "--json"), `"command": "reset"`, `"code": "instance_held"`)
	e.stop(u)

	c = e.run(0, "reset", "--yes")
	e.says(c, "^default has no data any more$")
	for _, name := range []string{"disk.qcow2", "layer.qcow2", "base.qcow2", "session", "session.live", "internal-pck", "qemu.pid"} {
		if _, err := os.Lstat(e.file("run/vm", name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	if s := e.snapshots(); len(s) != 1 {
		t.Errorf("snapshots: %q", s)
	}
	e.says(e.run(0, "reset", "--yes"), "^default has no data$")
	u = e.up()
	e.stop(u)
	e.says(u, "resuming", "ready")
	e.saysNot(u, "capturing", "cold-booting")
}
