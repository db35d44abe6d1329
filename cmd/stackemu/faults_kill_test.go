package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// planEnv names a directory with one empty file for each thing that a supervisor is to do to somebody, in the order of their names:
// <number>.<state>.<victim>. It is done when the emulator has just entered that state, with the emulator held still.
const planEnv = "STACKEMU_TEST_PLAN"

// The victims.
const (
	nobody     = "nobody"     // only the state is waited for
	supervisor = "supervisor" // this process, at once: QEMU may be about to be started
	orphaner   = "orphaner"   // this process, as soon as a VM runs
	vm         = "vm"
	port       = "port" // the backend's is taken by this process
)

// saboteur sees the message log go by. Its records of the emulator are written by the emulator itself, while it handles the
// message that changes its state, so that nothing else has happened in that state yet.
type saboteur struct {
	out  io.Writer
	plan string
}

func (a saboteur) Write(line []byte) (int, error) {
	var r struct{ To, Next, Message string }
	if json.Unmarshal(line, &r) != nil || r.Message != "message" {
		return a.out.Write(line)
	}
	if r.To == "fleet/default" && r.Next != "" {
		a.at(r.Next)
	}
	return len(line), nil
}

func (a saboteur) at(state string) {
	left, _ := filepath.Glob(filepath.Join(a.plan, "*"))
	if len(left) == 0 {
		return
	}
	words := strings.Split(filepath.Base(left[0]), ".")
	if words[1] != state {
		return
	}
	_ = os.Remove(left[0])
	switch words[2] {
	case orphaner:
		awaitVM()
		fallthrough
	case supervisor:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case vm:
		_ = awaitVM().Kill()
	case port:
		stolen, _ = net.Listen("tcp", "127.0.0.1:"+os.Getenv("EMULATOR_BACKEND_PORT"))
	}
}

// stolen is never given back.
var stolen net.Listener

// awaitVM waits until the VM of the default instance runs, as long as it may take.
func awaitVM() qemu.Identity {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		id, err := qemu.ReadPID(filepath.Join(os.Getenv("STACK_EMULATOR_HOME"), "run/vm/qemu.pid"))
		if err == nil && id.Alive() || time.Now().After(end) {
			return id
		}
	}
}

// plan is what will be done to the supervisors that are started from now on.
func (e *emulator) plan(deeds ...string) {
	e.Helper()
	dir := e.TempDir()
	for n, deed := range deeds {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.%s", n, deed)), nil, 0o600); err != nil {
			e.Fatal(err)
		}
	}
	e.deeds, e.env = dir, append(e.env, planEnv+"="+dir)
	e.Cleanup(func() {
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 && !e.Failed() {
			e.Errorf("never happened: %q", left)
		}
	})
}

// traced is `start` or `stop` with a supervisor whose message log the saboteur sees.
func traced(args ...string) []string {
	return append([]string{"--log-level", "trace", "--log-format", "json"}, args...)
}

// A supervisor, or a VM, that is killed in whatever state costs no data, no second VM, and no help by the user: the same start
// goes on, or the next one finds its way.
func TestKilledInEveryState(t *testing.T) {
	t.Parallel()
	cold := []string{"EMULATOR_NO_SNAPSHOT=1"}
	ready := []string{"ready." + nobody} // of the first of two starts
	for _, c := range []struct {
		state    string // where it happens
		unpulled bool   // there is no image yet
		env      []string
		first    []string // what happens before
		who      []string
	}{
		{state: "preparing", who: []string{supervisor}},
		{state: "pulling", unpulled: true, who: []string{supervisor}},
		{state: "capturing", who: []string{supervisor, orphaner, vm}},
		{state: "saving", who: []string{supervisor, vm}}, // the capture
		{state: "resuming", who: []string{supervisor, orphaner, vm}},
		{state: "refreshing", who: []string{supervisor, vm}},
		{state: "probing", who: []string{supervisor, vm}},
		{state: "ready", who: []string{supervisor, vm}},
		{state: "cold-booting", env: cold, who: []string{supervisor, orphaner, vm}},
		{state: "refreshing", env: cold, who: []string{supervisor, vm}},
		{state: "probing", env: cold, who: []string{supervisor, vm}},
		{state: "draining", first: []string{"ready." + vm}, who: []string{supervisor}},
		{state: "backoff", first: []string{"ready." + vm}, who: []string{supervisor}},
		{state: "adopting", first: []string{"ready." + supervisor}, who: []string{supervisor, vm}},
		{state: "saving", first: ready, who: []string{supervisor, vm}},
		{state: "stopping", env: cold, first: ready, who: []string{supervisor, vm}},
		{state: "stopped", first: ready, who: []string{supervisor}},
	} {
		for _, who := range c.who {
			name := strings.Join(slices.Concat(c.first, []string{c.state + "." + who}), "+")
			if c.env != nil {
				name = "cold+" + name
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var e *emulator
				if c.unpulled {
					e = newUnpulled(t).emulator
				} else {
					e = newBackground(t, healthy)
				}
				e.env = append(e.env, c.env...)
				e.plan(append(slices.Clone(c.first), c.state+"."+who)...)
				e.survives()
			})
		}
	}
}

// survives is two starts and stops, of which any command may fail once: the next one has to work. The key of the first start
// stands for what the guest has stored.
func (e *emulator) survives() {
	e.Helper()
	var key string
	for range 2 {
		e.settled()
		now := e.rotated()
		if key != "" && now != key {
			e.Errorf("the key was %s and is %s", key, now)
		}
		key = now
		e.machines(1)
		e.twice("stop")
		e.machines(0)
	}
	e.nothingLeft()
	e.onlyOurs()
}

// settled starts the instance until it runs and nothing is to be done to it any more before it is stopped: what is done in the
// state ready comes when a start may have ended already.
func (e *emulator) settled() {
	e.Helper()
	for end := time.Now().Add(time.Minute); ; {
		e.twice("start")
		id, err := qemu.ReadPID(e.file("run/vm/qemu.pid"))
		next := ""
		if left, _ := filepath.Glob(filepath.Join(e.deeds, "*")); len(left) > 0 {
			next = strings.Split(filepath.Base(left[0]), ".")[1]
		}
		if err == nil && id.Alive() && slices.Contains([]string{"", "saving", "stopping", "stopped"}, next) {
			return
		}
		if time.Now().After(end) {
			e.Fatalf("it does not settle: %s is to come", next)
		}
	}
}

// twice runs a command, and once more if it fails. The first of them may be killed together with its instance.
func (e *emulator) twice(command string) {
	e.Helper()
	c := e.start(traced(command)...)
	if code := c.End(); code == 0 && (command != "start" || e.isHealthy()) {
		return
	} else if text := c.Stderr(); code != 0 && !regexp.MustCompile(`(?m)^stackemu: default: `).MatchString(text) {
		e.Errorf("%s: exit code %d without a line about it: %s", command, code, text)
	}
	e.run(0, traced(command)...)
	if command == "start" && !e.isHealthy() {
		e.Error("start has ended with 0, and the instance is not healthy")
	}
}

func (e *emulator) isHealthy() bool {
	e.Helper()
	return e.start("status").End() == 0
}

// machines checks how many fake QEMUs of this home run. Only Linux tells.
func (e *emulator) machines(want int) {
	e.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		e.Fatal(err)
	}
	var all []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if line := strings.ReplaceAll(string(text), "\x00", " "); err == nil && strings.Contains(line, e.home+"/") && strings.Contains(line, " -machine ") {
			all = append(all, line)
		}
	}
	if len(all) != want {
		e.Errorf("%d VMs, want %d: %v", len(all), want, all)
	}
}

// onlyOurs checks that nothing is in the home of a stopped instance but what docs/architecture.md names.
func (e *emulator) onlyOurs() {
	e.Helper()
	known := regexp.MustCompile(`^(` + strings.Join([]string{
		`\.|images|images/(stack-emulator-amd64\.qcow2(\.json|\.lock)?|placeholder\.img)`,
		`cache|cache/[a-z0-9.-]+`,
		`snapshots|snapshots/(\.lock|[0-9a-f]{20}(\.[0-9]+(/.*)?)?)`,
		`run|run/(ports\.json|ports\.lock|vm)`,
		`run/vm/(disk\.qcow2|layer\.qcow2|base\.qcow2|internal-pck|runtime-config\.iso|status\.json|(serial|qemu|supervisor)\.log(\.1)?|messages\.jsonl(\.[1-3])?|lock)`,
		`run/vm/(disk\.fresh\.qcow2|ram\.img|session(\.live)?(/.*)?)`, // the next start's affair
	}, "|") + `)$`)
	err := filepath.WalkDir(e.home, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, err := filepath.Rel(e.home, path); err != nil || !known.MatchString(name) {
			e.Errorf("left in the home: %s %v", name, err)
		}
		return nil
	})
	if err != nil {
		e.Error(err)
	}
}

// A VM whose process nobody has noted (its supervisor was killed between the two) is in nobody's way.
func TestOrphanWithoutAPIDFile(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"flipped": flip,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newBackground(t, healthy)
			first := e.up()
			key := e.rotated()
			e.orphan(first)
			if err := damage(e.file("run/vm/qemu.pid")); err != nil {
				t.Fatal(err)
			}
			e.run(0, "start")
			if now := e.rotated(); now != key {
				t.Errorf("the key was %s and is %s", key, now)
			}
			e.machines(1)
			e.stopped("default")
		})
	}
}

// After a reboot every pid means another process. None of them is touched, and the disk is what is left.
func TestReboot(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.up()
	key := e.rotated()
	st := e.status(0, "default")
	id, err := qemu.ReadPID(e.file("run/vm/qemu.pid"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{st.Supervisor.PID, id.PID} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		e.gone(pid)
	}
	// The pid is somebody else's now: ours. All that tells it from the VM is when that was started, and in which boot.
	for _, name := range []string{"run/vm/qemu.pid", "run/vm/vm.json"} {
		text, err := os.ReadFile(e.file(name))
		if err != nil {
			t.Fatal(err)
		}
		now := strings.ReplaceAll(strings.ReplaceAll(string(text), id.Boot, "another-boot"), fmt.Sprint(id.PID), fmt.Sprint(os.Getpid()))
		if err := os.WriteFile(e.file(name), []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if now := e.status(exitStopped, "default"); now.VM != nil {
		t.Errorf("got %+v", now)
	}
	e.says(e.run(0, "stop"), "is not running")
	e.run(0, "start")
	if now := e.rotated(); now != key {
		t.Errorf("the key was %s and is %s", key, now)
	}
	e.stopped("default")
}

// killSupervisor leaves a VM without one.
func (e *emulator) killSupervisor() {
	e.Helper()
	pid := e.status(0, "default").Supervisor.PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		e.Fatal(err)
	}
	e.gone(pid)
}
