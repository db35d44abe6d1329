package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// What QEMU and a guest say is in errors and in the status. Nothing of it moves a terminal's cursor, or sets its title.
func TestControlCharactersOfAGuest(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b[2J\x1b]0;title\x07\u009b31mred\u202egreen"
	for name, spoil := range map[string]func(*qemutest.Script){
		"QEMU": func(s *qemutest.Script) { s.Refuse = hostile },
		"the guest": func(s *qemutest.Script) {
			s.Guest = &qemutest.Guest{StepErrors: map[string]string{"rotation": hostile}}
		},
		"a service":  func(s *qemutest.Script) { s.HTTP = &qemutest.HTTP{Resumed: http.StatusTeapot, Body: hostile} },
		"a load":     func(s *qemutest.Script) { s.Monitor.Migration.LoadError = hostile },
		"last words": func(s *qemutest.Script) { s.Exit = &qemutest.Exit{Code: 3, Stderr: hostile} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newBackground(t, healthy)
			e.env = append(e.env, "EMULATOR_SNAPSHOT_READY_TIMEOUT=1")
			e.run(0, "capture")
			s := healthy
			spoil(&s)
			qemutest.Rewrite(t, e.qemu, s)
			follower := e.start("trace", "--follow")
			quiet := func(c *clitest.Command, args ...string) {
				for _, text := range []string{c.Stdout(), c.Stderr()} {
					if strings.ContainsAny(text, "\x1b\x07\u009b\u202e") {
						t.Errorf("%v prints %q", args, text)
					}
				}
			}
			for _, c := range []struct {
				code int
				args []string
			}{{exitFailed, []string{"start", "--require-snapshot"}}, {exitFailed, []string{"up", "--require-snapshot"}}, {exitBroken, []string{"status"}},
				{0, []string{"ls"}}, {0, []string{"trace", "--explain"}}, {0, []string{"trace"}}, {0, []string{"logs"}},
				{exitBroken, []string{"status", "--json"}}, {0, []string{"trace", "--json"}}, {0, []string{"trace", "--perfetto"}}, {0, []string{"trace", "--mermaid"}}} {
				quiet(e.run(c.code, c.args...), c.args...)
			}
			follower.Until("red ?green")
			follower.Interrupt()
			if code := follower.End(); code != 0 {
				t.Errorf("trace --follow: exit code %d: %s", code, follower.Stderr())
			}
			quiet(follower, "trace", "--follow")
		})
	}
}
