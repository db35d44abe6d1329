package actors

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
)

func TestColdStartAndCleanStop(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{})
		if end := p.end(); end.State != "stopped" || end.Cause.Err != nil {
			t.Errorf("ended %s, %v", end.State, end.Cause.Err)
		}
		p.story("preparing", "notice: slow, but works", "cold-booting", "probing", "backend healthy", "dashboard healthy", "ready", "stopping", "stopped")
	})
}

// A QEMU that is killed is noticed through the process and replaced; the causes of all deaths are told in the end.
func TestKilledQEMUIsRestartedThenFailed(t *testing.T) {
	stage(t, &fakeWorld{bootFor: time.Second}, func(p *play) {
		p.up()
		killed := &qemu.ExitError{Code: -1, Signal: syscall.SIGKILL}
		for range 2 {
			p.forget()
			p.world.last().die(killed)
			p.until("ready")
			p.story("draining (default: machine: "+killed.Error()+")", "backoff", "preparing", "cold-booting", "probing", "backend healthy", "dashboard healthy", "ready")
		}
		p.world.last().die(killed)
		end := p.end()
		if end.State != "failed" || !errors.Is(end.Cause.Err, lifecycle.ErrGaveUp) || strings.Count(end.Cause.Err.Error(), "killed by signal") != 3 {
			t.Errorf("ended %s: %v", end.State, end.Cause.Err)
		}
		if got := len(p.world.machines); got != 3 {
			t.Errorf("%d machines, want 3", got)
		}
	})
}

func TestFailuresOfAStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		world *fakeWorld
		cause string // how the last word ends
	}{
		{"the instance is held by another process", &fakeWorld{openErr: errors.New("held by pid 7")}, "default: held by pid 7"},
		{"a port is taken", &fakeWorld{prepareErr: errors.New("port 26700: taken")}, "default: port 26700: taken"},
		{"preparing takes for ever", &fakeWorld{prepareFor: time.Hour}, "default: preparing: no success within 2m0s"},
		{"QEMU cannot be started", &fakeWorld{launchErr: errors.New("exec: not found")}, "default: machine: exec: not found"},
		{"the guest stands still", &fakeWorld{bootFor: 24 * time.Hour},
			"a sign of life of the guest: no success within 1m40s: backend (connection reset), dashboard (connection reset)\nserial: its last words"},
		{"one service stays ill", &fakeWorld{onProbe: ill("dashboard")}, "no success within 4m0s: dashboard (HTTP 503)\nserial: its last words"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage(t, c.world, func(p *play) {
				p.tree.Tell(&messages.StartInstance{Instance: "default"})
				end := p.end()
				if end.State != "failed" || !strings.HasSuffix(end.Cause.Err.Error(), c.cause) {
					t.Errorf("ended %s: %v", end.State, end.Cause.Err)
				}
			})
		})
	}
}

func ill(service string) func(string) error {
	return func(s string) error {
		if s == service {
			return errors.New("HTTP 503")
		}
		return nil
	}
}

// Another try would only repeat it, so there is none.
func TestQEMURefusesItsCommandLine(t *testing.T) {
	stage(t, &fakeWorld{refuse: &qemu.ExitError{Code: 1, Stderr: "unsupported machine type"}}, func(p *play) {
		p.tree.Tell(&messages.StartInstance{Instance: "default"})
		end := p.end()
		if end.State != "failed" || len(p.world.machines) != 1 || !strings.Contains(end.Cause.Err.Error(), "unsupported machine type") {
			t.Errorf("ended %s after %d machines: %v", end.State, len(p.world.machines), end.Cause.Err)
		}
	})
}

// Each rung of the shutdown ladder works when the ones before it do not.
func TestShutdownRungs(t *testing.T) {
	for _, c := range []struct {
		name  string
		world *fakeWorld
		clean bool
		least time.Duration // how long the ladder takes to get there
	}{
		{"agent", &fakeWorld{}, true, 0},
		{"acpi, agent never came", &fakeWorld{deafAgent: true}, true, 0},
		{"acpi, agent ignores", &fakeWorld{agentIgnores: true}, true, 40 * time.Second},
		{"quit", &fakeWorld{deafAgent: true, acpiIgnores: true}, false, 30 * time.Second},
		{"kill", &fakeWorld{agentIgnores: true, acpiIgnores: true, quitHangs: true}, false, 75 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage(t, c.world, func(p *play) {
				p.up()
				began := time.Now()
				p.tree.Tell(&messages.StopInstances{})
				end, took := p.end(), time.Since(began)
				if clean := end.Cause.Err == nil; clean != c.clean || end.State != "stopped" || took < c.least || took > c.least+2*time.Second {
					t.Errorf("%s after %v: %v", end.State, took, end.Cause.Err)
				}
			})
		})
	}
}

func TestSecondStopKills(t *testing.T) {
	stage(t, &fakeWorld{agentIgnores: true, acpiIgnores: true}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{})
		p.until("stopping")
		began := time.Now()
		p.tree.Tell(&messages.StopInstances{Kill: true})
		if end := p.end(); !errors.Is(end.Cause.Err, lifecycle.ErrUnclean) || time.Since(began) > time.Second {
			t.Errorf("%s after %v: %v", end.State, time.Since(began), end.Cause.Err)
		}
	})
}

func TestStopAtEveryState(t *testing.T) {
	for _, c := range []struct {
		state string
		world *fakeWorld
	}{
		{"preparing", &fakeWorld{prepareFor: time.Minute}},
		{"probing", &fakeWorld{bootFor: time.Hour}},
		{"ready", &fakeWorld{}},
	} {
		t.Run(c.state, func(t *testing.T) {
			stage(t, c.world, func(p *play) {
				p.tree.Tell(&messages.StartInstance{Instance: "default"})
				p.until(c.state)
				p.tree.Tell(&messages.StopInstances{})
				if end := p.end(); end.State != "stopped" || end.Cause.Err != nil {
					t.Errorf("%s: %v", end.State, end.Cause.Err)
				}
			})
		})
	}
}

func TestGuestPowersItselfOff(t *testing.T) {
	stage(t, &fakeWorld{}, func(p *play) {
		p.up()
		p.world.last().powerOff(true)
		if end := p.end(); end.State != "stopped" || end.Cause.Err != nil {
			t.Errorf("%s: %v", end.State, end.Cause.Err)
		}
	})
}

// A monitor that loses its channel is replaced; the VM notices nothing.
func TestLostMonitorGetsASuccessor(t *testing.T) {
	stage(t, &fakeWorld{}, func(p *play) {
		p.up()
		m := p.world.last()
		for range maxFailures {
			m.mu.Lock()
			m.hangUp()
			m.mu.Unlock()
			time.Sleep(5 * time.Second)
		}
		p.forget()
		p.tree.Tell(&messages.StopInstances{})
		if end := p.end(); end.Cause.Err != nil || len(p.world.machines) != 1 {
			t.Errorf("%s after %d machines: %v", end.State, len(p.world.machines), end.Cause.Err)
		}
		p.story("stopping", "stopped")
	})
}

// A QEMU that does not talk any more, but does not end either (SIGSTOP), is noticed by its services and replaced once the
// budget is spent.
func TestHungQEMUIsReplaced(t *testing.T) {
	var hung atomic.Bool
	w := &fakeWorld{onProbe: func(string) error {
		if hung.Load() {
			return errors.New("no answer")
		}
		return nil
	}}
	stage(t, w, func(p *play) {
		p.up()
		p.world.last().hung = true
		hung.Store(true)
		p.forget()
		p.until("backoff")
		hung.Store(false)
		p.until("ready")
		if len(p.world.machines) != 2 || !strings.Contains(p.heard[0], "4 failures in 2m0s") {
			t.Errorf("%d machines: %v", len(p.world.machines), p.heard)
		}
	})
}

// A prober that panics is replaced, its stack is in the message log, and the VM runs on.
func TestPanickingProber(t *testing.T) {
	var once sync.Once
	stage(t, &fakeWorld{}, func(p *play) {
		p.world.onProbe = func(string) error {
			if time.Since(p.world.machines[0].born) > time.Minute {
				once.Do(func() { panic("injected") })
			}
			return nil
		}
		p.up()
		time.Sleep(5 * time.Minute)
		p.tree.Tell(&messages.StopInstances{})
		if end := p.end(); end.Cause.Err != nil || len(p.world.machines) != 1 {
			t.Errorf("%s after %d machines: %v", end.State, len(p.world.machines), end.Cause.Err)
		}
		if log := p.messages(); !strings.Contains(log, "panic: injected") || !strings.Contains(log, `"stack":"goroutine`) || !strings.Contains(log, "prober-1.1") {
			t.Error("the message log does not tell of the panic and the successor")
		}
	})
}
