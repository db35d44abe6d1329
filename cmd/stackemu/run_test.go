package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// newRun is an emulator that boots without a snapshot, and the config file of a project.
func newRun(t *testing.T, s qemutest.Script) (e *emulator, configFile string) {
	t.Helper()
	e = newBackground(t, s)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	configFile = filepath.Join(dir, "stack.config.ts")
	if err := os.WriteFile(configFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	return e, configFile
}

func TestRunStartsAndStops(t *testing.T) {
	t.Parallel()
	e, file := newRun(t, healthy)
	e.env = append(e.env, "STACK_SECRET_SERVER_KEY=production", "STACK_SUPER_SECRET_ADMIN_KEY=production", "VITE_STACK_PROJECT_ID=production")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(file), link); err != nil {
		t.Fatal(err)
	}
	c := e.run(7, "run", "--config-file", filepath.Join(link, "stack.config.ts"), "--", "/bin/sh", "-c",
		`env | grep STACK_ | grep -v EMULATOR | sort; cat "$1"; echo; echo "$2" "$3"; exit 7`, "sh", e.file("run/vm/vm.json"), "--keep", "--")
	api, dashboard := fmt.Sprintf("http://localhost:%d", e.port["BACKEND"]), fmt.Sprintf("http://localhost:%d", e.port["DASHBOARD"])
	for _, prefix := range []string{"", "NEXT_PUBLIC_", "VITE_", "EXPO_PUBLIC_"} {
		for name, value := range map[string]string{"PROJECT_ID": "project", "PUBLISHABLE_CLIENT_KEY": "pck", "API_URL": api, "DASHBOARD_URL": dashboard} {
			if line := prefix + "STACK_" + name + "=" + value; !slices.Contains(strings.Split(c.Stdout(), "\n"), line) {
				t.Errorf("no %s in %s", line, c.Stdout())
			}
		}
	}
	e.says(c, "^STACK_SECRET_SERVER_KEY=ssk$", `"Dir":"`+filepath.Dir(file)+`","ReadOnly":false`, "^--keep --$")
	e.saysOnce(c, "SECRET_SERVER_KEY")
	e.saysNot(c, "production", "^default")
	if strings.Contains(c.Stderr(), "ssk") || strings.Contains(noKVM.ReplaceAllString(c.Stderr(), ""), "warning") {
		t.Error(c.Stderr())
	}
	e.nothingLeft()
	e.status(exitStopped, "default")
	for _, log := range []string{"supervisor.log", "messages.jsonl"} {
		if text, err := os.ReadFile(e.file("run/vm", log)); err != nil || strings.Contains(string(text), `"ssk"`) {
			t.Errorf("%s: %v in\n%s", log, err, text)
		}
	}
}

// A run that joins leaves the instance as it was, and says what it lacks.
func TestRunJoins(t *testing.T) {
	t.Parallel()
	e, file := newRun(t, healthy)
	e.run(0, "start")
	before := e.status(0, "default")
	c := e.run(0, "run", "--config-file", file, "default", "--", "/bin/sh", "-c", "echo $NEXT_PUBLIC_STACK_PROJECT_ID")
	if c.Stdout() != "project" {
		t.Errorf("got %s", c.Stdout())
	}
	e.complains(c, "^warning: default: it was started without the directory of "+file+", and cannot read")
	c = e.runWith("some input\n", 0, "run", "--", "/bin/sh", "-c", "cat; echo $VITE_STACK_PROJECT_ID$STACK_SECRET_SERVER_KEY")
	if c.Stdout() != "some input\ninternal" || c.Stderr() != "" {
		t.Errorf("got %q, %q", c.Stdout(), c.Stderr())
	}
	e.says(e.run(0, "start", "--config-file", file), `"project_id": "project"`, `"publishable_client_key": "pck"`, `"secret_server_key": "ssk"`)
	key := e.file("run/vm/internal-pck")
	right, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	wrong := strings.Repeat("ab", 32)
	replaceKey := func(with []byte) {
		if err := os.WriteFile(key, with, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replaceKey([]byte(wrong))
	c = e.run(exitFailed, "run", "--config-file", file, "--", "echo", "here")
	e.complains(c, "^stackemu: default: credentials for "+file+": the backend refuses the published key")
	if strings.Contains(c.Stderr(), wrong) || c.Stdout() != "" {
		t.Errorf("%s%s", c.Stderr(), c.Stdout())
	}
	replaceKey(right)
	if after := e.status(0, "default"); after.VM.PID != before.VM.PID {
		t.Error("another VM")
	}
	e.stopped("default")

	e.run(0, "run", "--keep", "--config-file", file, "--", "true")
	c = e.run(128+int(syscall.SIGKILL), "run", "--config-file", file, "--", "/bin/sh", "-c", "kill -KILL $$")
	if c.Stderr() != "" { // the directory is there
		t.Error(c.Stderr())
	}
	e.stopped("default")
}

// Nothing is started for a command that cannot be run.
func TestRunOfNothing(t *testing.T) {
	t.Parallel()
	e, file := newRun(t, healthy)
	e.complains(e.run(exitNoProgram, "run", "--", "no-such-program", "x"), "^stackemu: run: no-such-program: executable file not found")
	e.complains(e.run(exitNoProgram, "run", "--", "./no-such-program"), "^stackemu: run: ./no-such-program: no such file")
	e.complains(e.run(exitNotRunnable, "run", "--", file), "permission denied")
	e.complains(e.run(exitUsage, "run"), "there is no command to run")
	e.complains(e.run(exitUsage, "run", "npm"), "want -- before the command, for instance: stackemu run -- npm$")
	e.complains(e.run(exitUsage, "run", "a", "b", "--", "true"), "run takes one instance name at most")
	e.complains(e.run(exitUsage, "run", "--config-file", filepath.Dir(file), "--", "true"), "--config-file: .* is not a file")
	e.complains(e.run(exitUsage, "run", "--config-file", file+"x", "--", "true"), "--config-file: .*no such file")
	e.says(e.run(exitUsage, "start", "--config-file", file, "--json"), `"code": "usage"`, "leave --json out")
	if _, err := os.Stat(e.file("run/vm")); err == nil {
		t.Error("there is an instance")
	}
}

// An instance that does not start is no success, and the command does not run.
func TestRunWithoutAnInstance(t *testing.T) {
	t.Parallel()
	e, _ := newRun(t, qemutest.Script{Accels: healthy.Accels, Refuse: "unsupported machine type 'pc-q35-9.0'"})
	c := e.run(exitFailed, "run", "--", "echo", "here")
	e.complains(c, "^stackemu: default: .*unsupported machine type")
	e.saysNot(c, "here")
	e.nothingLeft()
}

// The command gets a signal once, and its end is the run's.
func TestRunPassesSignalsOn(t *testing.T) {
	t.Parallel()
	e, _ := newRun(t, healthy)
	// No child is to be killed: a signal is lost on one that has been forked and does not run its program yet.
	c := e.start("run", "--", "/bin/sh", "-c", `trap 'echo got it; exit 3' TERM; echo go; while :; do sleep 0.1; done`)
	c.Until("^go$")
	signalTo(t, c, syscall.SIGTERM)
	if code := c.End(); code != 3 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.saysOnce(c, "got it")
	e.nothingLeft()
}

func signalTo(t *testing.T, c *clitest.Command, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(c.PID(), s); err != nil {
		t.Fatal(err)
	}
}

// A signal during the start ends what this run has begun.
func TestRunIsInterrupted(t *testing.T) {
	t.Parallel()
	s := healthy
	s.HTTP = &qemutest.HTTP{After: time.Hour}
	e, _ := newRun(t, s)
	c := e.start("run", "--", "echo", "here")
	follower := e.follow("default")
	follower.Until(`"state":"probing"`)
	signalTo(t, c, syscall.SIGTERM)
	if code := c.End(); code != 128+int(syscall.SIGTERM) || c.Stdout() != "" {
		t.Errorf("exit code %d: %s%s", code, c.Stderr(), c.Stdout())
	}
	e.complains(c, "^stackemu: default: run: interrupted$")
	follower.End()
	e.nothingLeft()
}

// A command that is content although its instance has failed is not believed.
func TestRunAndAFailedInstance(t *testing.T) {
	t.Parallel()
	e, _ := newRun(t, healthy)
	done := filepath.Join(t.TempDir(), "done")
	if err := syscall.Mkfifo(done, 0o600); err != nil {
		t.Fatal(err)
	}
	c := e.start("run", "--", "/bin/sh", "-c", "echo go; cat "+done)
	c.Until("^go$")
	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	for n := range 3 {
		if err := syscall.Kill(e.qemuPID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if n < 2 {
			follower.Until(`"state":"ready"`)
		}
	}
	follower.End()
	if err := os.WriteFile(done, nil, 0); err != nil {
		t.Fatal(err)
	}
	if code := c.End(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	e.complains(c, "^stackemu: default: run: the instance failed meanwhile: .*killed by signal")
	e.nothingLeft()
}

// What others have started again is not stopped.
func TestRunLeavesWhatOthersStarted(t *testing.T) {
	t.Parallel()
	e, _ := newRun(t, healthy)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e.run(0, "run", "--", "/bin/sh", "-c", self+" stop && "+self+" start")
	e.status(0, "default")
	e.stopped("default")
}

func TestSplitRun(t *testing.T) {
	for line, want := range map[string]string{
		"run -- npm test":               "[] [npm test]",
		"run a -- npm test":             "[a] [npm test]",
		"run -- npm -- test":            "[] [npm -- test]",
		"run a -- npm -- test":          "[a] [npm -- test]",
		"run --keep a -- npm --keep":    "[a] [npm --keep]",
		"run a b -- c":                  "[a b] [c]",
		"emulator run --keep -- npm -x": "[] [npm -x]",
	} {
		words := strings.Fields(line)
		args := words[slices.Index(words, "run")+1:]
		for len(args) > 0 && args[0] != "--" && strings.HasPrefix(args[0], "-") {
			args = args[1:]
		}
		if args[0] == "--" { // the library takes that one away
			args = args[1:]
		}
		names, program, err := splitRun(args, words)
		if got := fmt.Sprint(names, program); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", line, got, err, want)
		}
	}
}

// Two that use one instance: who has started it does not take it from the other.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	go1, go2 := filepath.Join(t.TempDir(), "go1"), filepath.Join(t.TempDir(), "go2")
	first := e.start(runsUntil(go1)...)
	first.Until("^begun$")
	st := e.status(0, "default")
	second := e.start(runsUntil(go2)...)
	second.Until("^begun$")
	e.touch(go1)
	if code := first.End(); code != 3 {
		t.Errorf("the first: exit code %d: %s", code, first.Stderr())
	}
	e.complains(first, "^default: it is in use by 1 other `stackemu run`, and is stopped after that$")
	if now := e.status(0, "default"); now.VM == nil || now.VM.PID != st.VM.PID {
		t.Errorf("got %+v", now)
	}
	e.touch(go2)
	if code := second.End(); code != 3 {
		t.Errorf("the second: exit code %d: %s", code, second.Stderr())
	}
	e.until("default", exitStopped)
	e.nothingLeft()
}

// One that is killed is no user any more. A `start` in between wants the instance to stay.
func TestRunIsKilled(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	for _, kept := range []bool{false, true} {
		end := filepath.Join(t.TempDir(), "end")
		c := e.start(runsUntil(end)...)
		c.Until("^begun$")
		if kept {
			e.says(e.run(0, "start"), "is already running")
		}
		c.Kill()
		e.touch(end) // for its command, which nobody waits for any more
		if !kept {
			e.until("default", exitStopped)
			continue
		}
		c = e.start("run", "--", "true")
		if code := c.End(); code != 0 {
			t.Errorf("exit code %d: %s", code, c.Stderr())
		}
		e.status(0, "default")
	}
}

// runsUntil runs something that ends with exit code 3 when there is a file.
func runsUntil(file string) []string {
	return []string{"run", "--", "sh", "-c", "echo begun; while ! [ -e " + file + " ]; do sleep 0.02; done; exit 3"}
}

func (e *emulator) touch(path string) {
	e.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		e.Fatal(err)
	}
}

// until waits until `status` ends with a code.
func (e *emulator) until(name string, code int) {
	e.Helper()
	for late := time.Now().Add(time.Minute); ; {
		c := e.start("status", name)
		if c.End() == code {
			return
		}
		if time.Now().After(late) {
			e.Fatalf("%s does not become what it should: %s", name, c.Stdout())
		}
	}
}
