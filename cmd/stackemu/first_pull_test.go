package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/internal/control"
)

// newUnpulled is an emulator without an image, and a GitHub that has one.
func newUnpulled(t *testing.T) *published {
	t.Helper()
	p := newPublished(t, healthy)
	p.forget()
	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	return p
}

// forget takes the image away.
func (p *published) forget() {
	p.Helper()
	if err := os.RemoveAll(p.file("images")); err != nil {
		p.Fatal(err)
	}
}

// startAside is a command whose words on standard error come with those on standard output.
func (e *emulator) startAside(args ...string) *clitest.Command {
	e.Helper()
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	return clitest.Start(e, time.Minute, e.env, "/bin/sh", append([]string{"-c", `exec "$0" "$@" 2>&1`, self}, args...)...)
}

// ends checks how a command ends.
func (e *emulator) ends(c *clitest.Command, want int) {
	e.Helper()
	if code := c.End(); code != want {
		e.Errorf("exit code %d, want %d: %s\n%s", code, want, c.Stderr(), c.Stdout())
	}
}

// A first start with neither image nor anything else pulls, captures and resumes.
func TestUpWithoutAnImage(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	p.forget()
	c := p.run(exitFailed, "up", "--offline")
	p.complains(c, "^stackemu: default: there is no image yet: build one with `stackemu image build`")
	if asked := p.server.Asked(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
	c = p.run(exitFailed, "up")
	p.complains(c, "^stackemu: default: pull: github: release emulator-dev-latest of stack-auth/stack-auth: not found")
	p.complains(c, "`stackemu image build` makes one on this machine")

	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	u := p.up()
	p.stop(u)
	p.says(u, "there is no image yet: pulls the latest one of stack-auth/stack-auth$", "^default +pulling .*downloading", "pulled the image, 21 MB, from release emulator-dev-latest",
		"capturing", "resuming", "ready", "stopped")
	p.has(diskWith(1))

	// An instance with a disk of its own needs none.
	p.forget()
	p.server.Faults(func(_ http.ResponseWriter, r *http.Request) bool {
		t.Errorf("asked %s", r.URL)
		return false
	})
	p.stop(p.up())
}

func TestStartWithoutAnImage(t *testing.T) {
	t.Parallel()
	p := newUnpulled(t)
	p.isFailed(p.run(exitFailed, "start", "--offline", "--json"), "no_image", "default: there is no image yet: build one with `stackemu image build`")
	c := p.run(0, "start", "--json")
	p.complains(c, "default: pulled the image, 21 MB, from release emulator-dev-latest")
	if !json.Valid([]byte(c.Stdout())) {
		t.Errorf("not JSON: %s", c.Stdout())
	}
	p.run(0, "stop")
	p.nothingLeft()
}

// A pull that fails is the start's failure, which says what else there is to do.
func TestStartThatCannotPull(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	p.forget()
	p.isFailed(p.run(exitFailed, "start", "--json"), "no_image", "default: pull: github: release emulator-dev-latest of stack-auth/stack-auth: not found")
	p.complains(p.run(exitFailed, "run", "--", "true"), "`stackemu image build` makes one on this machine")
	p.run(exitBroken, "status")
}

// isFailed checks the error that a command tells in JSON.
func (e *emulator) isFailed(c *clitest.Command, code, message string) {
	e.Helper()
	var told struct{ Error control.Error }
	if err := json.Unmarshal([]byte(c.Stdout()), &told); err != nil || told.Error.Code != code || !strings.HasPrefix(told.Error.Message, message) {
		e.Errorf("got %s, want %s, %q", c.Stdout(), code, message)
	}
}

// While its image is pulled an instance is there like any other: it tells how far it is, and a stop keeps what has arrived.
func TestStopWhilePulling(t *testing.T) {
	t.Parallel()
	p := newUnpulled(t)
	held, letGo := p.stall(2)
	defer letGo()
	c := p.startAside("start")
	held()
	c.Until("^default +pulling .*downloading  [0-9.]+ MB of 21 MB")
	follower := p.start("attach")
	follower.Until("^default +pulling .*downloading  [0-9.]+ MB of 21 MB")
	p.says(p.run(exitUnhealthy, "status"), "^state +pulling since", "^progress +downloading  [0-9.]+ MB of 21 MB")
	p.says(p.run(0, "ls"), "^default +pulling [0-9]+ %")
	if now := p.status(exitUnhealthy, "default").Progress; now == nil || now.Doing != "downloading" || now.Total < 20<<20 || now.Done == 0 || now.Done >= now.Total {
		t.Errorf("progress: %+v", now)
	}
	p.says(p.run(0, "stop"), "default  stopped in")
	p.ends(c, exitFailed)
	p.says(c, "default: start: was stopped while it started")
	p.ends(follower, 0)
	p.run(exitStopped, "status")
	p.server.Faults(nil)
	p.complains(p.run(0, "start"), "pulled the image, 21 MB, from release .*; [0-9.]+ MB of it were there from an earlier pull")
	p.has(diskWith(1))
	if now := p.status(0, "default").Progress; now != nil {
		t.Errorf("progress of a ready instance: %+v", now)
	}
	p.run(0, "stop")
	p.nothingLeft()
}

// The screen of who follows a pull has a bar, too, and Ctrl-C leaves the pull alone.
func TestAttachToAPull(t *testing.T) {
	t.Parallel()
	p := newUnpulled(t)
	held, letGo := p.stall(2)
	defer letGo()
	first := p.start("start")
	held()
	c := p.onTerminal("attach")
	c.Until("pulling")
	c.Until("█░")
	c.Types("\x03")
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %q", code, c.Last())
	}
	letGo()
	p.ends(first, 0)
	p.run(0, "stop")
}

// The live screen of a pull has a bar, and Ctrl-C ends it like any other start.
func TestPullOnTheLiveScreen(t *testing.T) {
	t.Parallel()
	p := newUnpulled(t)
	held, letGo := p.stall(2)
	defer letGo()
	c := p.onTerminal("up")
	held()
	c.Until("pulling")
	c.Until("█░")
	c.Until(" MB of 21 MB  ") // 80 columns have room for all of it
	c.Until("B/s")
	c.Types("q")
	p.over(c, 0)
	p.run(exitStopped, "status")
}

// Who starts an instance whose image is being pulled joins.
func TestStartsWhilePulling(t *testing.T) {
	t.Parallel()
	p := newUnpulled(t)
	held, letGo := p.stall(1)
	defer letGo()
	starts := []*clitest.Command{p.start("start")}
	held()
	second := p.startAside("start")
	second.Until("^default +pulling .* of 21 MB")
	follower := p.start("attach")
	follower.Until("^default +pulling .* of 21 MB")
	letGo()
	for _, c := range append(starts, second) {
		p.ends(c, 0)
	}
	p.has(diskWith(1))
	follower.Until("^default +ready")
	p.saysOnce(follower, "pulled the image")
	p.run(0, "stop")
	p.ends(follower, 0)
	p.nothingLeft()
}

// Several instances of one process share the pull, and one that is stopped leaves it to the others.
func TestUpSeveralWithoutAnImage(t *testing.T) {
	p := newUnpulled(t)
	p.anyPorts()
	held, letGo := p.stall(2)
	defer letGo()
	c := p.start("up", "a", "b")
	held()
	for _, name := range []string{"a", "b"} { // both have joined
		follower := p.start("attach", name)
		follower.Until("pulling .* of 21 MB")
		follower.Interrupt()
		p.ends(follower, 0)
	}
	p.run(0, "stop", "a")
	c.Until("^a +stopped")
	letGo()
	c.Until("^b +ready")
	c.Interrupt()
	p.ends(c, 0)
	p.saysOnce(c, "pulled the image")
	p.has(diskWith(1))
}
