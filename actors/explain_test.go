package actors

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/trace"
	"github.com/stackemu/stackemu/internal/tracetest"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
)

// What `stackemu trace --explain` says of prepared failures: from it alone a newcomer must be able to tell what has failed, why,
// and what was done about it.
func TestExplain(t *testing.T) {
	ready := func(p *play) { p.up() }
	failed := func(p *play) {
		p.tree.Tell(&messages.StartInstance{Instance: "default"})
		p.end()
	}
	for _, c := range []struct {
		name  string
		world *fakeWorld
		story func(*play)
	}{
		{"cold-start", &fakeWorld{bootFor: 15 * time.Second}, ready},
		{"slow-guest", &fakeWorld{bootFor: 24 * time.Hour}, failed},
		{"ill-service", &fakeWorld{bootFor: time.Second, onProbe: ill("dashboard")}, failed},
		{"failed-rotation", &fakeWorld{bootFor: 15 * time.Second, warm: true, session: true, ownDisk: true,
			refreshErr: func(int) error { return errors.New("post-resume: rotation: the database refuses connections") }}, failed},
		{"port-taken", &fakeWorld{prepareErr: errors.New("port 26700: taken by node (pid 7): stop it, or set EMULATOR_DASHBOARD_PORT")}, failed},
		{"pull-fails", &fakeWorld{puller: &fakePuller{err: errors.New("github: cannot be reached")}}, failed},
		{"load-fails", &fakeWorld{bootFor: 15 * time.Second, warm: true, loadErr: errors.New("qmp: migrate-incoming: the state is not of this machine")}, ready},
		{"crashed-qemu", &fakeWorld{bootFor: 15 * time.Second}, func(p *play) {
			p.up()
			p.forget()
			p.world.last().die(&qemu.ExitError{Code: -1, Signal: syscall.SIGSEGV})
			p.until("ready")
		}},
		{"damaged-snapshot", &fakeWorld{bootFor: 15 * time.Second, warm: true}, func(p *play) {
			p.up()
			p.tree.Tell(&messages.StopInstances{})
			p.end()
			p.world.ownDisk, p.world.session = false, false
			p.damage()
			p.forget()
			p.up()
		}},
		{"lost-monitor", &fakeWorld{bootFor: 15 * time.Second}, func(p *play) {
			p.tree.Tell(&messages.StartInstance{Instance: "default"})
			p.until("cold-booting")
			time.Sleep(5 * time.Second)
			m := p.world.last()
			m.mu.Lock()
			m.hangUp()
			m.mu.Unlock()
			p.until("ready")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage(t, c.world, func(p *play) {
				c.story(p)
				var text strings.Builder
				if err := trace.Explain(&text, p.trace().Last()); err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("explain", c.name), text.String())
			})
		})
	}
}

func (p *play) trace() *trace.Log {
	p.Helper()
	log, err := trace.ReadFiles(p.world.MessagesLog())
	if err != nil {
		p.Fatal(err)
	}
	if log.Torn > 0 || log.Last() == nil {
		p.Fatalf("%d torn lines, or no start in\n%s", log.Torn, p.messages())
	}
	return log
}

// damage changes a byte of the device state of every snapshot.
func (p *play) damage() {
	p.Helper()
	files, err := filepath.Glob(filepath.Join(p.world.dir, "snapshots", "*", "device.state"))
	if err != nil || len(files) == 0 {
		p.Fatalf("no snapshot: %v", err)
	}
	for _, file := range files {
		if err := errors.Join(os.Chmod(file, 0o600), os.WriteFile(file, []byte("devicez"), 0o600)); err != nil {
			p.Fatal(err)
		}
	}
}

// The logs that internal/trace is tested with, and that the diagrams of docs/ are made from, are real ones: with -update they are
// written anew, and else they must tell the same story as what happens now.
func TestGoldenLogs(t *testing.T) {
	for name, w := range map[string]*fakeWorld{
		"cold-start":          {bootFor: 15 * time.Second},
		"capture-resume-save": {bootFor: 15 * time.Second, warm: true},
		"fallback":            {bootFor: 15 * time.Second, warm: true, loadErr: errors.New("boom")},
		"first-pull":          {bootFor: 15 * time.Second, puller: &fakePuller{}},
		"stop":                {bootFor: 15 * time.Second},
		"adoption":            {warm: true, orphan: true, ownDisk: true},
	} {
		t.Run(name, func(t *testing.T) {
			stage(t, w, func(p *play) {
				until := "ready"
				p.up()
				if name == "stop" || name == "capture-resume-save" || name == "adoption" {
					until = "stopped"
					p.tree.Tell(&messages.StopInstances{})
					p.end()
				}
				path := filepath.Join("..", "internal", "trace", "testdata", name+".jsonl")
				if *update {
					if err := os.WriteFile(path, []byte(p.messages()), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				kept, err := tracetest.Read(f)
				if err != nil {
					t.Fatal(err)
				}
				was, is := tracetest.Story(kept, emulatorPath, until), tracetest.Story(p.entries(), emulatorPath, until)
				if was != is {
					t.Errorf("%s tells\n%s\nand now it is\n%s\n(go test ./actors -update writes it anew)", path, was, is)
				}
			})
		})
	}
}
