package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu/qemutest"
)

// A guest that was resumed is asked at its tools' port, and over its agent where nobody answers there. The user sees no difference.
func TestToolsPort(t *testing.T) {
	for name, x := range map[string]struct {
		tools        qemutest.Tools
		called, exec bool
	}{
		"absent":  {qemutest.Absent, false, true},
		"at hand": {qemutest.AtHand, true, false},
		"mute":    {qemutest.Mute, true, true},
		"cut off": {qemutest.CutOff, true, true},
		"strange": {qemutest.Strange, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy
			s.Guest = &qemutest.Guest{Tools: x.tools}
			e := newEmulator(t, s)
			e.run(0, "capture", "--json")
			u := e.up()
			key := e.rotated()
			e.stop(u)
			e.says(u, "resuming", "refreshing", "ready")
			e.saysNot(u, "warning", "cold-booting")
			log, err := os.ReadFile(e.file("run", "vm", "messages.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if called := strings.Contains(string(log), "call of the tools"); called != x.called {
				t.Errorf("called at their port: %v", called)
			}
			if exec := strings.Contains(string(log), "guest-exec /usr/local/bin/stackguest"); exec != x.exec {
				t.Errorf("started over the agent: %v", exec)
			}
			// A session wants the right time, and nothing else.
			u = e.up()
			if now := e.rotated(); now != key {
				t.Errorf("the key was %s and is %s", key, now)
			}
			e.stop(u)
			e.saysNot(u, "warning", "cold-booting")
			e.nothingLeft()
		})
	}
}
