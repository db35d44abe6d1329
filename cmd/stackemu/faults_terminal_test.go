package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu/qemutest"
)

// What QEMU and a guest say is in errors and in the status. Nothing of it moves a terminal's cursor, or sets its title.
func TestControlCharactersOfAGuest(t *testing.T) {
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
			for _, c := range []struct {
				code int
				args []string
			}{{exitFailed, []string{"start", "--require-snapshot"}}, {exitFailed, []string{"up", "--require-snapshot"}}, {exitBroken, []string{"status"}},
				{0, []string{"ls"}}, {0, []string{"trace", "--explain"}}, {0, []string{"trace"}}, {0, []string{"logs"}}} {
				run := e.run(c.code, c.args...)
				for _, text := range []string{run.Stdout(), run.Stderr()} {
					if strings.ContainsAny(text, "\x1b\x07\u009b\u202e") {
						t.Errorf("%v prints %q", c.args, text)
					}
				}
			}
		})
	}
}
