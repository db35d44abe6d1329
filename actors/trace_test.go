package actors

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
