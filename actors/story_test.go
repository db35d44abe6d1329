package actors

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

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
		p.story("preparing", "notice: slow, but works", "cold-booting", "refreshing", "probing", "backend healthy", "dashboard healthy", "ready", "stopping", "stopped")
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
			p.story("draining (default: machine: "+killed.Error()+")", "backoff", "preparing", "cold-booting", "refreshing", "probing", "backend healthy", "dashboard healthy", "ready")
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
		{"preparing takes for ever", &fakeWorld{prepareFor: time.Hour}, "default: preparing: no success within 6m0s"},
		{"QEMU cannot be started", &fakeWorld{launchErr: errors.New("exec: not found")}, "default: machine: exec: not found"},
		{"the guest stands still", &fakeWorld{bootFor: 24 * time.Hour},
			"a sign of life of the guest: no success within 1m40s\nserial: its last words"},
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
		{"acpi, agent is gone", &fakeWorld{agentLeaves: true}, true, 0},
		{"acpi, agent ignores", &fakeWorld{agentIgnores: true}, true, 40 * time.Second},
		{"quit", &fakeWorld{agentLeaves: true, acpiIgnores: true}, false, 30 * time.Second},
		{"kill", &fakeWorld{agentIgnores: true, acpiIgnores: true, quitHangs: true}, false, 75 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage(t, c.world, func(p *play) {
				p.up()
				if c.world.agentLeaves {
					p.world.last().agentPort(false)
					time.Sleep(time.Second)
				}
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

// The first start captures and resumes, the second resumes the session that the stop has saved.
func TestCaptureResumeSession(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second, warm: true}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{})
		p.end()
		p.story("preparing", "notice: slow, but works", "notice: captures a snapshot first: this start takes long, and later ones do not",
			"capturing", "backend healthy", "dashboard healthy", "saving", "notice: captured the snapshot in 15.3s",
			"preparing", "resuming", "refreshing", "probing", "backend healthy", "dashboard healthy", "ready, resumed", "saving", "stopped")
		p.forget()
		p.up()
		p.story("preparing", "notice: slow, but works", "resuming", "refreshing", "probing", "backend healthy", "dashboard healthy", "ready, resumed")
		if p.world.confirms != 2 {
			t.Errorf("confirmed %d times, want 2", p.world.confirms)
		}
	})
}

// Where nothing keeps the host ports closed, the services are asked while the guest is brought up to date.
func TestServicesAreAskedMeanwhile(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second, warm: true, open: true, refreshFor: 2 * time.Second}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{})
		p.end()
		p.forget()
		p.up()
		p.story("preparing", "notice: slow, but works", "resuming", "refreshing", "backend healthy", "dashboard healthy", "probing", "ready, resumed")
	})
}

// A VM that its new supervisor cannot make sense of is replaced by a boot of its disk.
func TestAdoptionFallsBack(t *testing.T) {
	w := &fakeWorld{warm: true, orphan: true, ownDisk: true}
	w.onProbe = func(service string) error {
		if w.last().way == lifecycle.Adopt {
			return errors.New("dead")
		}
		return nil
	}
	stage(t, w, func(p *play) {
		p.up()
		p.story("preparing", "notice: slow, but works", "adopting", "probing", "draining",
			"notice: adoption: the services to become healthy: no success within 45s: backend (dead), dashboard (dead)\nserial: its last words (after 45.04s); boots from its disk instead",
			"preparing", "cold-booting", "refreshing", "probing", "backend healthy", "dashboard healthy", "ready")
	})
}

// A failure at any step of a resume ends in a cold boot, with one warning.
func TestResumeFallsBack(t *testing.T) {
	errBoom := errors.New("boom")
	for _, c := range []struct {
		name    string
		break_  func(*fakeWorld)
		warning string
	}{
		{"load", func(w *fakeWorld) { w.loadErr = errBoom }, "resume: monitor: boom"},
		{"refresh", func(w *fakeWorld) {
			w.refreshErr = func(int) error {
				if w.last().way == lifecycle.Resume {
					return errBoom
				}
				return nil
			}
		}, "resume: agent: boom"},
		{"a service", func(w *fakeWorld) {
			w.onProbe = func(string) error {
				if w.last().way == lifecycle.Resume {
					return errBoom
				}
				return nil
			}
		}, "resume: the services to become healthy: no success within 45s: backend (boom), dashboard (boom)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &fakeWorld{warm: true}
			c.break_(w)
			stage(t, w, func(p *play) {
				p.up()
				if heard := strings.Join(p.heard, "\n"); strings.Count(heard, "boots from its disk instead") != 1 || !strings.Contains(heard, "notice: "+c.warning) ||
					p.heard[len(p.heard)-1] != "ready" {
					t.Errorf("heard\n%s", heard)
				}
			})
		})
	}
}

// One failed exchange with the guest's agent does not cost a start.
func TestRefreshIsTriedTwice(t *testing.T) {
	w := &fakeWorld{refreshErr: func(attempt int) error {
		if attempt == 1 {
			return errors.New("an empty answer")
		}
		return nil
	}}
	stage(t, w, func(p *play) {
		p.up()
		if len(p.world.machines) != 1 {
			t.Errorf("%d machines, want 1", len(p.world.machines))
		}
	})
}

// A snapshot that cannot be resumed three times is retired, and the next start captures a new one.
func TestThreeStrikes(t *testing.T) {
	stage(t, &fakeWorld{warm: true}, func(p *play) {
		p.up()
		for n := range 4 {
			p.tree.Tell(&messages.StopInstances{Kill: true})
			p.end()
			p.forget()
			p.world.ownDisk, p.world.loadErr = false, errors.New("boom") // as after a reset
			p.up()
			heard := strings.Join(p.heard, "\n")
			if retired := strings.Contains(heard, "failed too often"); retired != (n == 2) {
				t.Errorf("start %d: retired is %v:\n%s", n, retired, heard)
			}
			if captured := strings.Contains(heard, "capturing"); captured != (n == 3) {
				t.Errorf("start %d: captured is %v:\n%s", n, captured, heard)
			}
		}
	})
}

// The program ends with its instance: what has failed must be on the disk by then, even where another one has the store for a while.
func TestFailureIsCountedBeforeTheEnd(t *testing.T) {
	stage(t, &fakeWorld{warm: true, strict: true}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{Kill: true})
		p.end()
		p.world.ownDisk, p.world.loadErr = false, errors.New("boom") // as after a reset
		others := flock.New(filepath.Join(p.world.dir, "snapshots", ".lock"))
		p.world.onLoad = func() {
			if got, err := others.TryLock(); !got || err != nil {
				t.Error(got, err)
			}
		}
		for n := range 3 {
			p.tree.Tell(&messages.StartInstance{Instance: "default"})
			time.Sleep(10 * time.Second)
			if len(p.idle) != 0 {
				t.Errorf("start %d has ended before its failure was counted", n)
			}
			if err := others.Close(); err != nil {
				t.Error(err)
			}
			if end := p.end(); end.State != "failed" || !strings.HasSuffix(end.Cause.Err.Error(), "boom") {
				t.Errorf("start %d ended %s: %v", n, end.State, end.Cause.Err)
			}
			all, err := p.world.Snapshots().List()
			if retired := len(all) == 1 && all[0].Cause != ""; err != nil || retired != (n == 2) {
				t.Errorf("start %d: retired is %v: %+v, %v", n, retired, all, err)
			}
		}
	})
}

// A capture that fails leaves nothing behind and costs the start nothing but time.
func TestCaptureFallsBack(t *testing.T) {
	stage(t, &fakeWorld{warm: true, captureErr: errors.New("no space")}, func(p *play) {
		p.up()
		if heard := strings.Join(p.heard, "\n"); !strings.Contains(heard, "notice: capture: monitor: no space (after") || p.heard[len(p.heard)-1] != "ready" {
			t.Errorf("heard\n%s", heard)
		}
	})
}

func TestSaveFailsSoTheGuestIsShutDown(t *testing.T) {
	stage(t, &fakeWorld{warm: true, saveErr: errors.New("no space")}, func(p *play) {
		p.up()
		p.forget()
		p.tree.Tell(&messages.StopInstances{})
		if end := p.end(); end.State != "stopped" || end.Cause.Err != nil {
			t.Errorf("%s: %v", end.State, end.Cause.Err)
		}
		p.story("saving", "notice: the session cannot be saved, so the guest is shut down instead: monitor: no space", "stopping", "stopped")
	})
}

func TestCaptureOnly(t *testing.T) {
	stage(t, &fakeWorld{warm: true}, func(p *play) {
		for _, want := range [][]string{
			{"preparing", "notice: slow, but works", "notice: captures a snapshot", "capturing", "backend healthy", "dashboard healthy", "saving", "notice: captured the snapshot in 300ms", "stopped"},
			{"preparing", "notice: slow, but works", "notice: there is a snapshot already that fits this host, image and configuration", "draining", "stopped"},
		} {
			p.tree.Tell(&messages.CaptureSnapshot{})
			if end := p.end(); end.State != "stopped" || end.Cause.Err != nil {
				t.Errorf("%s: %v", end.State, end.Cause.Err)
			}
			p.story(want...)
			p.forget()
		}
	})
}

// A boot that stands still does not cost a capture that was asked for.
func TestCaptureBootsAgain(t *testing.T) {
	stage(t, &fakeWorld{warm: true, firstHangs: true}, func(p *play) {
		p.tree.Tell(&messages.CaptureSnapshot{})
		if end := p.end(); end.State != "stopped" || end.Cause.Err != nil {
			t.Errorf("%s: %v", end.State, end.Cause.Err)
		}
		p.story("preparing", "notice: slow, but works", "notice: captures a snapshot", "capturing",
			"draining (capture: a sign of life of the guest: no success within 1m40s\nserial: its last words)", "backoff",
			"preparing", "notice: captures a snapshot", "capturing", "backend healthy", "dashboard healthy", "saving", "notice: captured the snapshot in 1m40.9s", "stopped")
	})
}

func TestStopAtEveryState(t *testing.T) {
	for _, c := range []struct {
		state string
		world *fakeWorld
	}{
		{"preparing", &fakeWorld{prepareFor: time.Minute}},
		{"cold-booting", &fakeWorld{bootFor: time.Hour}},
		{"capturing", &fakeWorld{bootFor: time.Hour, warm: true}},
		{"backend healthy", &fakeWorld{onProbe: ill("dashboard")}},
		{"ready", &fakeWorld{}},
		{"ready", &fakeWorld{warm: true}},
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

// ailing is a world whose services do not answer while the flag is set.
func ailing() (*fakeWorld, *atomic.Bool) {
	var silent atomic.Bool
	return &fakeWorld{onProbe: func(string) error {
		if silent.Load() {
			return errors.New("no answer")
		}
		return nil
	}}, &silent
}

// A channel that breaks while a question is open fails twice, in an order that nobody knows. One successor comes.
func TestMonitorLostWithAnOpenQuestion(t *testing.T) {
	w, hung := ailing()
	stage(t, w, func(p *play) {
		p.up()
		m := p.world.last()
		const rounds = 20
		for range rounds {
			asked := make(chan struct{})
			m.mu.Lock()
			m.asked = asked
			m.mu.Unlock()
			hung.Store(true)
			<-asked
			m.mu.Lock()
			m.asked = nil
			m.hangUp()
			m.mu.Unlock()
			hung.Store(false)
			time.Sleep(2 * failureWindow)
		}
		p.tree.Tell(&messages.StopInstances{})
		if end := p.end(); end.Cause.Err != nil || len(p.world.machines) != 1 {
			t.Errorf("%s after %d machines: %v", end.State, len(p.world.machines), end.Cause.Err)
		}
		log := p.messages()
		if !strings.Contains(log, fmt.Sprintf(`monitor-1.%d"`, rounds)) || strings.Contains(log, fmt.Sprintf(`monitor-1.%d"`, rounds+1)) {
			t.Errorf("not one successor for each of %d monitors", rounds)
		}
	})
}

// A QEMU that does not talk any more, but does not end either (SIGSTOP), is noticed by its services and replaced once the
// budget is spent.
func TestHungQEMUIsReplaced(t *testing.T) {
	w, hung := ailing()
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

// News of the agent's port that overtakes an older answer counts, and an agent's successor knows what its predecessor had heard.
func TestAgentIsFound(t *testing.T) {
	silent := &fakeWorld{}
	silent.mute.Store(2)
	for name, c := range map[string]struct {
		world *fakeWorld
		until string
	}{
		"its port opens while it is asked for": {&fakeWorld{opensLate: true, bootFor: 20 * time.Second}, "probing"},
		"its first answers are lost":           {silent, "ready"},
	} {
		t.Run(name, func(t *testing.T) {
			stage(t, c.world, func(p *play) {
				began := time.Now()
				p.tree.Tell(&messages.StartInstance{Instance: "default"})
				p.until(c.until) // it has been refreshed by then
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("%s after %v", c.until, took)
				}
			})
		})
	}
}
