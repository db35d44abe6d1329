package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/qemu"
)

// run runs the program to its end, and gives its standard output.
func (e *emulator) run(want int, args ...string) string {
	e.Helper()
	c := clitest.Start(e, limit, e.env, e.bin, args...)
	if code := c.End(); code != want {
		e.Fatalf("%v: exit code %d, want %d\n%s\n%s", args, code, want, c.Stdout(), c.Stderr())
	}
	return c.Stdout()
}

// member is one of several instances of an emulator, as `status --json` describes it.
type member struct {
	Data struct {
		Instance string
		State    string
		Healthy  bool
		How      string
		Services []struct {
			Name string
			URL  string
			Port int
		}
		ReadyAt time.Time
		VM      struct{ PID int }
	}
}

func (e *emulator) status(name string) (m member) {
	e.Helper()
	if err := json.Unmarshal([]byte(e.run(0, "status", "--json", name)), &m); err != nil {
		e.Fatal(err)
	}
	return m
}

// of is the emulator as seen through one of its instances.
func (e *emulator) of(name string) *emulator {
	e.Helper()
	one := *e
	one.name, one.port = name, map[string]int{}
	for _, s := range e.status(name).Data.Services {
		one.port[strings.ToUpper(s.Name)] = s.Port
	}
	return &one
}

var givesPort = regexp.MustCompile(`^EMULATOR_[A-Z]+_PORT=`)

// newFleet is an emulator whose instances get the ports that are free.
func newFleet(t *testing.T) *emulator {
	t.Helper()
	e := newEmulator(t)
	e.env = slices.DeleteFunc(e.env, func(v string) bool { return givesPort.MatchString(v) })
	e.port = nil
	t.Cleanup(func() { // only after a failed test is there anything
		pids, _ := filepath.Glob(filepath.Join(e.home, "run", "*", "qemu.pid"))
		clitest.Start(t, limit, e.env, e.bin, "stop", "--all", "--kill").End()
		for _, path := range pids {
			if id, err := qemu.ReadPID(path); err == nil {
				_ = id.Kill()
			}
		}
	})
	return e
}

// Three instances at once: each has ports, secrets and data of its own, and links that lead to itself.
func TestThreeInstances(t *testing.T) {
	e := newFleet(t)
	names := []string{"a", "b", "c"}
	file := e.configFile("export default {}\n")
	e.run(0, append([]string{"start"}, names...)...)
	keys, projects := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		one := e.of(name)
		keys[one.key()] = true
		projects[one.worksWith(one.key()).ProjectID] = true
		var page strings.Builder
		one.get(&page, one.url("DASHBOARD", "/api.js"))
		for _, other := range names {
			link := fmt.Sprintf("localhost:%d", e.of(other).port["BACKEND"])
			if leads := strings.Contains(page.String(), link); leads != (other == name) {
				t.Errorf("the dashboard of %s has a link to %s of %s: %v", name, link, other, leads)
			}
		}
		if env := e.run(0, "env", name); !strings.Contains(env, one.key()) || !strings.Contains(env, fmt.Sprint(one.port["BACKEND"])) {
			t.Errorf("env %s: %s", name, env)
		}
		if out := e.run(0, "exec", name, "--", "cat", "/run/stack-auth/rotated-secrets.env"); !strings.Contains(out, one.key()) {
			t.Errorf("exec %s: its guest has another key", name)
		}
		if logs := e.run(0, "logs", name); !strings.Contains(logs, "ready") {
			t.Errorf("logs %s: %s", name, logs)
		}
		one.handsOn(file)
	}
	if len(keys) != len(names) || len(projects) != len(names) {
		t.Errorf("%d keys and %d projects", len(keys), len(projects))
	}
	if list := e.run(0, "ls"); strings.Count(list, " ready ") != len(names) {
		t.Errorf("ls: %s", list)
	}
	e.run(0, "stop", "--all")
	e.run(3, "status", "a")
}

// A supervisor in the background is killed: the next `start` finds the VM, and its uptime goes on.
func TestBackgroundSupervisorIsKilled(t *testing.T) {
	e := newFleet(t)
	e.run(0, "start", "a")
	before := e.status("a")
	var status struct {
		Data struct{ Supervisor struct{ PID int } }
	}
	if err := json.Unmarshal([]byte(e.run(0, "status", "--json", "a")), &status); err != nil {
		t.Fatal(err)
	}
	supervisor, err := qemu.IdentityOf(status.Data.Supervisor.PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Kill(); err != nil {
		t.Fatal(err)
	}
	e.run(0, "start", "a")
	after := e.status("a")
	if after.Data.VM.PID != before.Data.VM.PID || after.Data.How != "adopt" || after.Data.ReadyAt.After(before.Data.ReadyAt) {
		t.Errorf("before: %+v, after: %+v", before, after)
	}
	one := e.of("a")
	one.worksWith(one.key())
	e.run(0, "stop", "a")
}

// Ten starts of one name make one VM.
func TestTenStartsAtOnce(t *testing.T) {
	e := newFleet(t)
	var all []*clitest.Command
	for range 10 {
		all = append(all, clitest.Start(t, limit, e.env, e.bin, "start", "a"))
	}
	for _, c := range all {
		if code := c.End(); code != 0 || !strings.Contains(c.Stdout(), "backend") {
			t.Errorf("exit code %d: %s\n%s", code, c.Stdout(), c.Stderr())
		}
	}
	started, err := os.ReadFile(filepath.Join(e.home, "run", "a", "messages.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(started), `"type":"MachineStarted"`); n != 1 {
		t.Errorf("%d VMs", n)
	}
	e.run(0, "stop", "a")
}
