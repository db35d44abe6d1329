package actors

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/tracetest"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
)

var update = flag.Bool("update", false, "write the golden files anew")

func (p *play) entries() []tracetest.Entry {
	p.Helper()
	entries, err := tracetest.Read(strings.NewReader(p.messages()))
	if err != nil {
		p.Fatal(err)
	}
	return entries
}

// golden compares with testdata/<name>.golden. The cold start's is also what the end-to-end test with a real machine
// must show.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

const emulatorPath = "fleet/default"

func TestTraceOfAColdStart(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second}, func(p *play) {
		p.up()
		golden(t, "cold-start", tracetest.Story(p.entries(), emulatorPath, "ready"))
	})
}

// A first start captures a snapshot and resumes it; the stop saves a session.
func TestTraceOfACaptureAndResume(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second, warm: true}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{})
		p.end()
		golden(t, "capture-resume-save", tracetest.Story(p.entries(), emulatorPath, "stopped"))
	})
}

func TestTraceOfAFallback(t *testing.T) {
	w := &fakeWorld{bootFor: 15 * time.Second, warm: true, loadErr: errors.New("boom")}
	stage(t, w, func(p *play) {
		p.up()
		golden(t, "fallback", tracetest.Story(p.entries(), emulatorPath, "ready"))
	})
}

func TestTraceOfAStop(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{})
		p.end()
		golden(t, "stop", tracetest.Story(p.entries(), emulatorPath, "stopped"))
	})
}

func TestTraceOfALostMachine(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second}, func(p *play) {
		p.up()
		p.forget()
		p.world.last().die(&qemu.ExitError{Code: -1, Signal: syscall.SIGKILL})
		p.until("ready")
		var after []tracetest.Entry
		for _, e := range p.entries() {
			if e.State != "" && (e.Attempt == "default-run-2" || e.State == "ready" || e.State == "draining" || e.State == "backoff") {
				after = append(after, e)
			}
		}
		golden(t, "lost-machine", tracetest.Story(after, emulatorPath, "ready"))
	})
}

func TestTraceOfAnAdoption(t *testing.T) {
	stage(t, &fakeWorld{warm: true, orphan: true, ownDisk: true}, func(p *play) {
		p.up()
		p.tree.Tell(&messages.StopInstances{})
		p.end()
		golden(t, "adoption", tracetest.Story(p.entries(), emulatorPath, "stopped"))
	})
}

// Every record tells its cause, and everything of one start has the start's correlation id.
func TestTraceTellsCauses(t *testing.T) {
	stage(t, &fakeWorld{bootFor: time.Second}, func(p *play) {
		p.up()
		known, causes := map[uint64]bool{}, map[string]uint64{} // a message may be through before the one that caused it is
		for line := range strings.Lines(p.messages()) {
			var r struct {
				Seq, Parent uint64
				To, Type    string
				Attempt     string
				Wait        *int64 `json:"wait_us"`
				Took        *int64 `json:"took_us"`
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			known[r.Seq] = true
			if r.Wait == nil || r.Took == nil {
				t.Errorf("no times in %s", line)
			}
			if strings.HasPrefix(r.To, emulatorPath+"/") && r.Type != "Started" && r.Attempt != "default-run-1" {
				t.Errorf("attempt %q in %s", r.Attempt, line)
			}
			if r.Type == "AllHealthy" {
				causes[line] = r.Parent
			}
		}
		for line, parent := range causes {
			if !known[parent] {
				t.Errorf("no cause for %s", line)
			}
		}
		if len(causes) == 0 {
			t.Error("no AllHealthy")
		}
	})
}

// A failure of a watcher is in the log with what was done about it.
func TestTraceTellsFailures(t *testing.T) {
	w := &fakeWorld{prepareErr: errors.New("no room")}
	stage(t, w, func(p *play) {
		p.tree.Tell(&messages.StartInstance{Instance: "default"})
		p.end()
		if log := p.messages(); !strings.Contains(log, `"failure":"no room"`) || !strings.Contains(log, `"cause":"default: no room"`) {
			t.Errorf("no cause in\n%s", log)
		}
	})
}

// record is what the tests below look at.
type record struct {
	Kind, Type, From, To, Instance, Attempt, Detail, Off, Failure string
	Seq, Parent                                                   uint64
	OffUS                                                         int64 `json:"off_us"`
	TookUS                                                        int64 `json:"took_us"`
}

func (p *play) records() (all []record) {
	p.Helper()
	for line := range strings.Lines(p.messages()) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.Fatalf("%v in %s", err, line)
		}
		all = append(all, r)
	}
	return all
}

func (p *play) find(what string, fits func(record) bool) record {
	p.Helper()
	for _, r := range p.records() {
		if fits(r) {
			return r
		}
	}
	p.Fatalf("no record of %s in\n%s", what, p.messages())
	return record{}
}

// The decision about a child that has failed is a record of its supervisor, caused by what it was doing.
func TestTraceTellsOfSupervision(t *testing.T) {
	var once sync.Once
	w := &fakeWorld{bootFor: time.Second, onProbe: func(string) error {
		once.Do(func() { panic("injected") })
		return nil
	}}
	stage(t, w, func(p *play) {
		p.up()
		r := p.find("a failure", func(r record) bool { return r.Kind == "failure" })
		if r.From != emulatorPath+"/prober-1" || r.To != emulatorPath || !strings.Contains(r.Failure, "injected") || r.Attempt != "default-run-1" {
			t.Errorf("got %+v", r)
		}
		p.find("the successor", func(r record) bool { return r.Type == "Started" && r.To == emulatorPath+"/prober-1.1" })
	})
}

// From the message that made an instance ready, parents lead back to the one that launched it: through work off the mailbox,
// timers, events of QEMU, spawned actors, and actors that serve all instances.
func TestTraceLeadsBackToTheLaunch(t *testing.T) {
	for name, w := range map[string]*fakeWorld{
		"cold start": {bootFor: 15 * time.Second}, "resume": {bootFor: 15 * time.Second, warm: true, session: true, ownDisk: true}, "capture": {bootFor: 15 * time.Second, warm: true}} {
		t.Run(name, func(t *testing.T) {
			stage(t, w, func(p *play) {
				p.up()
				by := map[uint64]record{}
				for _, r := range p.records() {
					by[r.Seq] = r
					if r.Kind != "run" && r.Type != "StartInstance" && r.Instance != "default" {
						t.Errorf("not of the instance: %+v", r)
					}
				}
				r := p.find("confirmed", func(r record) bool { return r.Type == "confirmed" })
				for r.Parent != 0 {
					cause, ok := by[r.Parent]
					if !ok {
						t.Fatalf("the cause of %+v is not there", r)
					}
					r = cause
				}
				want := "StartInstance"
				if name == "capture" {
					want = "Terminated" // of the captured machine's actor: the library tells no cause
				}
				if r.Type != want {
					t.Errorf("it began with %+v", r)
				}
			})
		})
	}
}

// Work tells how long it took, and what it has waited for outside.
func TestTraceTellsOfWorkAndTheOutside(t *testing.T) {
	stage(t, &fakeWorld{bootFor: time.Second, prepareFor: 3 * time.Second}, func(p *play) {
		p.up()
		if r := p.find("the survey", func(r record) bool { return r.Type == "surveyed" }); r.Off != "work" || r.OffUS < 3e6 {
			t.Errorf("got %+v", r)
		}
		if r := p.find("a timer", func(r record) bool { return r.Type == "probeDue" }); r.Off != "timer" || r.OffUS != firstAwait.Microseconds() || r.Detail == "" {
			t.Errorf("got %+v", r)
		}
		if r := p.find("an event", func(r record) bool { return r.Type == "happened" }); r.Off != "event" || r.Detail != "VSERPORT_CHANGE" {
			t.Errorf("got %+v", r)
		}
		if r := p.find("QEMU's start", func(r record) bool { return r.Kind == "external" }); r.Type != "start" || r.To != "qemu" ||
			r.From != "fleet/default/machine-1" || r.Attempt != "default-run-1" || r.Parent == 0 {
			t.Errorf("got %+v", r)
		}
	})
}

// What nobody waits for any more is told, too.
func TestTraceTellsOfDroppedResults(t *testing.T) {
	slow := func(string) error { time.Sleep(time.Second); return nil }
	stage(t, &fakeWorld{bootFor: time.Second, onProbe: slow}, func(p *play) {
		p.up()
		time.Sleep(1500 * time.Millisecond) // into a probe
		p.forget()
		p.world.last().die(&qemu.ExitError{Code: 1})
		p.until("ready")
		r := p.find("a dropped result", func(r record) bool { return r.Kind == "dropped" })
		if r.Type != "probed" || r.To != "fleet/default/prober-1" || r.Off != "work" || r.Parent == 0 {
			t.Errorf("got %+v", r)
		}
	})
}

func TestTraceTellsOfDeadLetters(t *testing.T) {
	stage(t, &fakeWorld{bootFor: time.Second}, func(p *play) {
		p.up()
		nobody := actor.NewPID(p.tree.system.Address(), emulatorPath+"/monitor-7")
		p.tree.system.Root.Send(nobody, &messages.AskMachine{})
		r := p.find("a dead letter", func(r record) bool { return r.Kind == "dead-letter" })
		if r.Type != "AskMachine" || r.To != emulatorPath+"/monitor-7" || r.Instance != "default" {
			t.Errorf("got %+v", r)
		}
	})
}

func TestInstanceOfAPath(t *testing.T) {
	for path, want := range map[string]string{"fleet": "", "fleet/_store": "", "fleet/web": "web", "fleet/web/monitor-1.2": "web", "": ""} {
		if got := instanceOf(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}
