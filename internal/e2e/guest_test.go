package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	goqmp "github.com/digitalocean/go-qemu/qmp"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/health"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// guest is a VM that a test takes through its life by itself, without the actors, because it wants to look inside: only one
// program at a time can talk to a guest agent.
type guest struct {
	*testing.T
	ctx     context.Context
	held    *instance.Instance
	boot    *instance.Boot
	process instance.Process
	monitor *qmp.Conn
	agent   *qga.Client
	refresh guestapi.Result // what was done to bring it up to date
}

// guestLimit is for all that a test does with one guest.
const guestLimit = 5 * time.Minute

// config is the emulator's configuration as the program sees it.
func (e *emulator) config() config.Config {
	e.Helper()
	env := map[string]string{}
	for _, v := range e.env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	c, err := config.Load(config.Sources{Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		e.Fatal(err)
	}
	return c
}

// resumed is the default instance, resumed from the shared snapshot or its own session, brought up to date and open. Without
// either it has booted.
func (e *emulator) resumed(mounts ...config.Mount) *guest {
	e.Helper()
	return e.resumedWith(func(c *config.Config) { c.Mounts = mounts })
}

func (e *emulator) resumedWith(change func(*config.Config)) *guest {
	e.Helper()
	g, c := e.guest(), e.config()
	change(&c)
	survey := g.open(c)
	var choice instance.Choice
	if survey.Want != nil {
		held, err := snapshot.Open(c.Folders().Snapshots).Find(survey.Want.Parts)
		g.must(err)
		g.Cleanup(func() { _ = held.Close() })
		files := held.Files()
		choice.Resume, choice.Runtime = &files, held.Manifest.Runtime
	}
	g.launch(choice)
	if g.boot.Way == instance.Resume {
		g.must(g.boot.Load(g.ctx, g.monitor))
	}
	g.connect()
	var err error
	g.refresh, err = g.boot.Refresh(g.ctx, g.agent)
	g.must(err)
	g.must(g.boot.OpenPorts(g.ctx, g.monitor))
	g.healthy()
	g.must(g.boot.Confirm())
	return g
}

func (e *emulator) guest() *guest {
	ctx, cancel := context.WithTimeout(e.Context(), guestLimit)
	e.Cleanup(cancel)
	return &guest{T: e.T, ctx: ctx}
}

func (g *guest) open(c config.Config) instance.Survey {
	g.Helper()
	held, err := instance.Open(c, home.DefaultInstance)
	g.must(err)
	g.held = held
	g.Cleanup(func() { _ = held.Close() })
	survey, err := held.Survey(g.ctx, instance.Limits{})
	g.must(err)
	return survey
}

// launch starts QEMU, and returns when its monitor answers.
func (g *guest) launch(choice instance.Choice) {
	g.Helper()
	var err error
	g.boot, err = g.held.Prepare(g.ctx, choice)
	g.must(err)
	g.process, err = g.boot.Launch()
	g.must(err)
	g.Cleanup(g.kill)
	g.monitor, err = g.boot.DialMonitor(g.ctx, func(goqmp.Event) {})
	g.must(err)
	g.Cleanup(func() { _ = g.monitor.Close() })
}

// connect waits until the guest's agent is there.
func (g *guest) connect() {
	g.Helper()
	for open := false; !open; {
		var err error
		if open, err = g.monitor.FrontendOpen(g.ctx, qemu.AgentChardev); err != nil {
			g.Fatal(err)
		}
	}
	var err error
	g.agent, err = g.boot.DialAgent(g.ctx)
	g.must(err)
	g.Cleanup(func() { _ = g.agent.Close() })
}

// healthy waits until all services are.
func (g *guest) healthy() {
	g.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, s := range g.boot.Services() {
		for answer := (health.Result{Err: context.Canceled}); answer.Err != nil; {
			if answer = health.Probe(g.ctx, client, s.HealthURL(), s.Codes); g.ctx.Err() != nil {
				g.Fatalf("%s: %v", s.Name, answer.Err)
			}
		}
	}
}

// kill ends QEMU at once, and the run. It may be called twice.
func (g *guest) kill() {
	g.process.Kill()
	<-g.process.Done()
	_ = g.boot.Close()
	_ = g.held.Close()
}

// save ends the run as a stop does: with a session.
func (g *guest) save() {
	g.Helper()
	g.must(g.boot.Quiet(g.ctx, g.agent))
	g.must(g.boot.Save(g.ctx, g.monitor))
	g.must(g.monitor.Quit(g.ctx))
	<-g.process.Done()
	g.must(g.boot.Seal(g.ctx))
	g.kill()
}

// powersOff has the guest switch itself off, and sees that QEMU ends as it should: what a load has set in it has brought it down at
// this point before (docs/decisions/0024).
func (g *guest) powersOff() {
	g.Helper()
	g.must(g.agent.Shutdown(g.ctx))
	select {
	case <-g.process.Done():
	case <-g.ctx.Done():
		g.Fatal("the guest is still on")
	}
	if err := g.process.Err(); err != nil {
		g.Errorf("QEMU, when the guest has switched itself off: %v", err)
	}
	g.kill()
}

// sh runs a shell script in the guest and gives what it printed.
func (g *guest) sh(script string) string {
	g.Helper()
	out, err := g.agent.Exec(g.ctx, "/bin/sh", []string{"-c", script}, nil)
	g.must(err)
	if out.ExitCode != 0 {
		g.Fatalf("%s: exit code %d\n%s%s", script, out.ExitCode, out.Stdout, out.Stderr)
	}
	return strings.TrimSpace(string(out.Stdout))
}

// inside runs a shell script in the container.
func (g *guest) inside(script string) string {
	g.Helper()
	return g.sh("crun --cgroup-manager=disabled exec stack sh -c '" + script + "'")
}

// sql asks the stack's database.
func (g *guest) sql(query string) string {
	g.Helper()
	psql := []string{"--cgroup-manager=disabled", "exec", "stack", "/usr/lib/postgresql/17/bin/psql", "-h", "/run/postgresql", "-U", "stack", "-d", "stack", "-At"}
	out, err := g.agent.Exec(g.ctx, "/usr/bin/crun", psql, []byte(query))
	g.must(err)
	if out.ExitCode != 0 || len(out.Stderr) > 0 {
		g.Fatalf("%s: exit code %d\n%s", query, out.ExitCode, out.Stderr)
	}
	return strings.TrimSpace(string(out.Stdout))
}

func (g *guest) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}
