package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// newBackground is an emulator whose instances in the background do not outlive the test.
func newBackground(t *testing.T, s qemutest.Script) *emulator {
	t.Helper()
	e := newEmulator(t, s)
	t.Cleanup(func() {
		e.run(0, "stop", "--all", "--kill")
		logs, _ := filepath.Glob(e.file("run", "*", "supervisor.log"))
		for _, log := range logs {
			text, err := os.ReadFile(log)
			if err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Logf("%s:\n%s", log, text)
			}
			if regexp.MustCompile(`goroutine|panic|DATA RACE`).Match(text) {
				t.Errorf("a leak, a race or a panic:\n%s", text)
			}
		}
	})
	return e
}

// status is what `status --json` says, which has to end with this code.
func (e *emulator) status(want int, name string) status.Status {
	e.Helper()
	c := e.run(want, "status", "--json", name)
	var answer struct {
		SchemaVersion int
		Command       string
		Data          status.Status
	}
	if err := json.Unmarshal([]byte(c.Stdout()), &answer); err != nil || answer.SchemaVersion != 1 || answer.Command != "status" {
		e.Fatalf("status --json: %v in %s%s", err, c.Stdout(), c.Stderr())
	}
	if want == 0 && (answer.Data.VM == nil || answer.Data.Supervisor == nil || len(answer.Data.Services) == 0) {
		e.Fatalf("half of the status is missing: %s", c.Stdout())
	}
	return answer.Data
}

// gone waits until a process has ended. It is not our child.
func (e *emulator) gone(pid int) {
	e.Helper()
	id, err := qemu.IdentityOf(pid)
	if err != nil {
		return
	}
	for end := time.Now().Add(20 * time.Second); id.Alive(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			e.Fatalf("process %d does not end", pid)
		}
	}
}

// stopped stops an instance and checks that nothing is left, its supervisor included.
func (e *emulator) stopped(name string) {
	e.Helper()
	c := e.start("status", "--json", name)
	c.End()
	var answer struct{ Data status.Status }
	if err := json.Unmarshal([]byte(c.Stdout()), &answer); err != nil {
		e.Fatal(err)
	}
	e.says(e.run(0, "stop", name), "^"+name+"  stopped in [0-9.]+ s$")
	if s := answer.Data.Supervisor; s != nil {
		e.gone(s.PID)
	}
	if _, err := os.Lstat(e.file("run/vm/control.sock")); err == nil {
		e.Error("control.sock is left")
	}
	e.nothingLeft()
}

func TestBackground(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Agent = &qemutest.Agent{Execs: map[string]qemutest.Exec{"cat": {Echo: true}, "/bin/sh": {Echo: true}, "fail": {ExitCode: 7, Stdout: "out\n", Stderr: "err\n"}}}
	e := newBackground(t, s)
	c := e.run(0, "start")
	dashboard, backend := fmt.Sprintf("http://localhost:%d", e.port["DASHBOARD"]), fmt.Sprintf("http://localhost:%d", e.port["BACKEND"])
	e.says(c, `^default  ready  resumed in [0-9.]+ s$`, "^  dashboard  "+dashboard+"$", "^  backend    "+backend+"$")
	e.saysNot(c, "probing")
	e.complains(c, "^default: captures a snapshot first")
	if code, _ := e.get("BACKEND", "/"); code != 200 {
		t.Errorf("got %d", code)
	}

	st := e.status(0, "default")
	if st.State != "ready" || !st.Healthy || st.How != "resume" || st.Snapshot == "" || st.Supervisor == nil || !st.Supervisor.Background || st.VM == nil || st.VM.PID != e.qemuPID() {
		t.Errorf("got %+v", st)
	}
	if x, ok := st.Service("backend"); !ok || !x.Healthy || x.Port != e.port["BACKEND"] || x.URL != backend {
		t.Errorf("backend: %+v", x)
	}
	e.says(e.run(0, "status"), "^instance +default", "^state +ready, up ", "^started +resumed in .* s", "^backend +"+backend+" +healthy", "^vm +QEMU, pid", "^supervisor +pid .* in the background", "^snapshot +"+st.Snapshot, "^image +/")

	c = e.run(0, "start") // once more
	e.says(c, "^default  is already running  resumed in", backend)
	e.says(e.run(0, "up", "-d"), "^default  is already running")
	e.says(e.run(0, "up", "-d", "--json"), `"command": "up"`, `"instance": "default"`)
	if again := e.status(0, "default"); again.VM == nil || again.VM.PID != st.VM.PID {
		t.Errorf("another VM: %+v", again.VM)
	}
	e.says(e.run(0, "ls"), "^NAME +STATE", `^default +ready +\S+ +resumed in .* +[0-9-]+ +`+dashboard)
	e.says(e.run(0, "ls", "--json"), `"instance": "default"`)

	testLogs(e)
	testExec(e)
	testEnv(e, dashboard, backend)

	c = e.start("attach")
	c.Until("^default +ready")
	c.Interrupt()
	if code := c.End(); code != 0 || !strings.Contains(c.Stderr(), "detached; default goes on") {
		t.Errorf("attach: exit code %d: %s", code, c.Stderr())
	}
	e.saysOnce(c, dashboard)

	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	e.stopped("default")
	if code := follower.End(); code != 0 {
		t.Errorf("attach --json: exit code %d: %s", code, follower.Stderr())
	}
	e.says(follower, `"state":"saving","from":"ready"`, `"kind":"ended".*"state":"stopped"`)

	if st := e.status(exitStopped, "default"); st.State != "stopped" || st.Since.IsZero() || st.Cause != "" {
		t.Errorf("got %+v", st)
	}
	e.says(e.run(0, "stop"), "^default  is not running$")
	e.says(e.run(0, "ls"), `^default +stopped +- +- +26700-26709 +-`)
	for _, args := range [][]string{{"env"}, {"open"}, {"exec", "--", "cat"}, {"attach"}} {
		e.complains(e.run(exitFailed, args...), "^stackemu: default: "+args[0]+": it is not running: it has no supervisor; `stackemu start` starts it$")
	}
	e.says(e.run(0, "logs", "--source", "supervisor"), "stopped") // logs stay

	e.says(e.run(0, "start"), "^default  ready  resumed in") // where it was
	e.stopped("default")
}

func testLogs(e *emulator) {
	e.Helper()
	e.says(e.run(0, "logs"), `^\d{4}-\d\d-\d\dT\S+ default +preparing`, `default +ready`, "http://")
	e.says(e.run(0, "logs", "default", "-n", "1", "--source", "messages"), `^\{.*\}$`)
	e.saysOnce(e.run(0, "logs", "-n", "1", "--source", "messages"), "\"time\"")
	e.says(e.run(0, "logs", "-n", "-1"), "preparing")
	e.says(e.run(0, "logs", "-n", "-1", "--json"), `^{"source":"supervisor","line":"\d{4}-\S+ default +preparing`, `"line":".*default +ready`)
	e.says(e.run(0, "logs", "--json", "-n", "1", "--source", "messages"), `^\{"time":`)
	c := e.start("logs", "-f", "-n", "1")
	c.Until("  backend ")
	c.Interrupt()
	if code := c.End(); code != 0 || strings.Contains(c.Stdout(), "\n") {
		e.Errorf("logs -f: exit code %d, %s", code, c.Stdout())
	}
	e.complains(e.run(exitUsage, "logs", "--source", "weather"), `--source "weather": want supervisor, serial, qemu, messages, stack`)
	e.complains(e.run(exitFailed, "logs", "--source", "stack"), "^stackemu: default: logs: the guest's tools cannot stream input and output; ")
	e.complains(e.run(exitFailed, "logs", "--source", "stack", "nobody"), "^stackemu: nobody: logs: it is not running: ")
	e.complains(e.run(exitFailed, "logs", "nobody"), "^stackemu: nobody: logs: there is no supervisor log yet")
}

func testExec(e *emulator) {
	e.Helper()
	c := e.run(7, "exec", "--", "fail", "-x", "--", "y")
	if c.Stdout() != "out" || c.Stderr() != "err\n" {
		e.Errorf("exec: %q, %q", c.Stdout(), c.Stderr())
	}
	e.says(e.runWith("some input\n", 0, "exec", "default", "--", "cat"), "^some input$")
	e.says(e.runWith("some input\n", 0, "exec", "--name", "default", "cat"), "^some input$")
	e.saysNot(e.runWith("some input\n", 0, "exec", "-n", "--", "cat"), "input")
	e.says(e.runWith("uptime\n", 0, "shell"), "^uptime$")
	e.complains(e.run(exitNoProgram, "exec", "--", "nothing"), "^stackemu: default: exec: nothing: no such program in the guest$")
	e.complains(e.run(exitNoProgram, "exec", "default", "ls", "/"), "there is an instance of that name: stackemu exec default -- ls /$")
	e.complains(e.run(exitUsage, "exec"), "there is no program to run")
}

func testEnv(e *emulator, dashboard, backend string) {
	e.Helper()
	key, err := os.ReadFile(e.file("run/vm/internal-pck"))
	if err != nil {
		e.Fatal(err)
	}
	e.says(e.run(0, "env"), "^STACK_API_URL="+backend+"$", "^STACK_PROJECT_ID=internal$", "^STACK_PUBLISHABLE_CLIENT_KEY="+string(key)+"$", "^STACK_DASHBOARD_URL="+dashboard+"$")
	e.says(e.run(0, "env", "--format", "shell", "--prefix", "VITE_"), "^export VITE_STACK_API_URL='"+backend+"'$")
	e.says(e.run(0, "env", "default", "--format=json"), `^  "STACK_API_URL": "`+backend+`"`)
	e.complains(e.run(exitUsage, "env", "--format", "xml"), `--format "xml": want dotenv, shell or json`)
	e.complains(e.run(exitUsage, "env", "--prefix", "A-"), `--prefix "A-"`)
	e.says(e.run(0, "env", "--json", "--prefix", "VITE_"), `"command": "env"`, `"data": \{$`, `"VITE_STACK_API_URL": "`+backend+`"`)
	e.says(e.run(0, "open", "--url", "--json"), `"command": "open"`, `"opened": false`, `"service": "dashboard"`, `"url": "`+dashboard+`"`)
	e.says(e.run(0, "open", "--url"), "^"+dashboard+"$")
	e.says(e.run(0, "open", "backend", "--url"), "^"+backend+"$")
	e.complains(e.run(exitFailed, "open", "weather"), `there is no service "weather" \(there are: dashboard, backend\)`)

	browser := e.TempDir() // a desktop that notes what it is asked for
	script := "#!/bin/sh\necho \"$1\" >" + browser + "/asked\n"
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(browser, name), []byte(script), 0o700); err != nil {
			e.Fatal(err)
		}
	}
	env := e.env
	e.env = append(env, "PATH="+browser+":/usr/bin:/bin")
	e.saysNot(e.run(0, "open"), "http")
	if asked, err := os.ReadFile(browser + "/asked"); err != nil || string(asked) != dashboard+"\n" {
		e.Errorf("the browser was asked for %q, %v", asked, err)
	}
	e.env = append(env, "PATH="+e.TempDir())
	e.says(e.run(0, "open"), "^"+dashboard+"$") // there is no browser
	e.env = env
}

// runWith is run with a standard input.
func (e *emulator) runWith(input string, want int, args ...string) *clitest.Command {
	e.Helper()
	path := filepath.Join(e.TempDir(), "input")
	if err := os.WriteFile(path, []byte(input), 0o600); err != nil {
		e.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	c := clitest.Start(e, time.Minute, e.env, "/bin/sh", append([]string{"-c", `exec "$0" "$@" <` + path, self}, args...)...)
	if code := c.End(); code != want {
		e.Errorf("%q: exit code %d, want %d: %s\n%s", args, code, want, c.Stderr(), c.Stdout())
	}
	return c
}

func TestTenStartsAtOnce(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	var starts []*clitest.Command
	for range 10 {
		starts = append(starts, e.start("start"))
	}
	for n, c := range starts {
		if code := c.End(); code != 0 {
			t.Errorf("start %d: exit code %d: %s", n, code, c.Stderr())
		}
		e.says(c, "^default  (ready|is already running)  cold boot in ", "^  backend ")
	}
	text, err := os.ReadFile(e.file("run/vm/messages.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"type":"MachineStarted"`); n != 1 {
		t.Errorf("%d VMs were started", n)
	}
	e.stopped("default")
}

// Whatever keeps an instance from starting is told by the one who has asked for it, although it happened in another process.
func TestStartFails(t *testing.T) {
	t.Parallel()
	e := newBackground(t, qemutest.Script{Accels: healthy.Accels, Refuse: "unsupported machine type 'pc-q35-9.0'"})
	c := e.run(exitFailed, "start")
	e.complains(c, "^stackemu: default: .*unsupported machine type")
	if st := e.status(exitBroken, "default"); st.State != "failed" || !strings.Contains(st.Cause, "unsupported machine type") || st.Supervisor != nil {
		t.Errorf("got %+v", st)
	}
	e.says(e.run(exitBroken, "status"), "^state +failed since", "^last failure +default: .*unsupported machine type")
	e.says(e.run(0, "ls"), "^default +failed")
	c = e.run(exitFailed, "start", "--json")
	e.says(c, `"command": "start"`, `"code": "`, `"message": "default: .*unsupported machine type`, `"retryable": false`)
	e.nothingLeft()

	if err := os.Remove(e.file("images", "stack-emulator-amd64.qcow2")); err != nil {
		t.Fatal(err)
	}
	c = e.run(exitFailed, "start", "--offline", "--json")
	e.says(c, `"code": "no_image"`, `"hint": "build one`)
	if strings.Contains(c.Stderr(), "stackemu: ") { // a warning may be there
		t.Errorf("with --json: %s", c.Stderr())
	}
}

func TestStartOfAnInstanceThatIsStartedOrStopped(t *testing.T) {
	t.Parallel()
	s := healthy
	s.HTTP = &qemutest.HTTP{After: 2 * time.Second}
	s.Agent = &qemutest.Agent{ShutdownTakes: time.Second}
	e := newBackground(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	first := e.start("start")
	follower := e.follow("default")
	follower.Until(`"state":"probing"`)
	if st := e.status(exitUnhealthy, "default"); st.State != "probing" || st.Healthy {
		t.Errorf("got %+v", st)
	}
	second := e.start("start") // joins
	for n, c := range []*clitest.Command{first, second} {
		if code := c.End(); code != 0 {
			t.Errorf("start %d: exit code %d: %s", n, code, c.Stderr())
		}
	}
	e.says(first, "^default  ready  cold boot")
	e.says(second, "^default  is already running  cold boot")

	stop := e.start("stop")
	follower.Until(`"state":"stopping"`)
	third := e.start("start") // waits, and starts then
	if code := stop.End(); code != 0 {
		t.Errorf("stop: exit code %d: %s", code, stop.Stderr())
	}
	if code := third.End(); code != 0 {
		t.Errorf("start: exit code %d: %s", code, third.Stderr())
	}
	e.says(third, "^default  ready")
	e.stopped("default")
}

// follow attaches to an instance as soon as it can be.
func (e *emulator) follow(name string) *clitest.Command {
	e.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Lstat(e.file("run/vm/control.sock")); err == nil {
			return e.start("attach", "--json", name)
		}
	}
	e.Fatal("there is no control.sock")
	return nil
}

// A killed supervisor leaves its VM. Every command understands, and the next start takes it over.
func TestSupervisorIsKilled(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	st := e.status(0, "default")
	kill := func(pid int) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		e.gone(pid)
	}
	follower := e.start("attach")
	follower.Until("^default +ready")
	kill(st.Supervisor.PID)
	if code := follower.End(); code != exitFailed {
		t.Errorf("attach: exit code %d", code)
	}
	if now := e.status(exitUnhealthy, "default"); now.State != "orphaned" || now.VM == nil || now.VM.PID != st.VM.PID || now.Supervisor != nil {
		t.Errorf("got %+v", now)
	}
	e.says(e.run(0, "ls"), "^default +orphaned")
	e.says(e.run(0, "start"), "^default  ready  taken over in ")
	now := e.status(0, "default")
	if now.VM == nil || now.VM.PID != st.VM.PID || now.How != "adopt" {
		t.Errorf("got %+v", now)
	}
	kill(now.Supervisor.PID)
	e.says(e.run(0, "stop"), "^default  stopped in") // takes it over, to save it
	e.gone(st.VM.PID)
	e.status(exitStopped, "default")
	e.nothingLeft()
}

// A supervisor that is killed in the middle of a start is replaced by who waits for the start.
func TestSupervisorIsKilledDuringAStart(t *testing.T) {
	t.Parallel()
	s := healthy
	s.HTTP = &qemutest.HTTP{After: 1500 * time.Millisecond}
	e := newBackground(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	c := e.start("start")
	e.follow("default").Until(`"state":"probing"`)
	st := e.status(exitUnhealthy, "default")
	if err := syscall.Kill(st.Supervisor.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.says(c, "^default  ready")
	if now := e.status(0, "default"); now.Supervisor.PID == st.Supervisor.PID {
		t.Errorf("got %+v", now)
	}
	e.stopped("default")
}

// A guest that does not shut down keeps nobody waiting for ever.
func TestStopTakesTooLong(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Agent = &qemutest.Agent{IgnoreShutdown: true}
	s.Monitor = qemutest.Monitor{IgnorePowerdown: true, IgnoreQuit: true}
	e := newBackground(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	e.run(0, "start")
	c := e.run(exitFailed, "stop", "--timeout", "100ms")
	e.complains(c, "^stackemu: default: stop: not in time: it is still stopping after 100ms; `stackemu stop --kill` does not wait")
	e.says(e.run(0, "stop", "--kill"), "^default  stopped in .* cut off")
	e.status(exitStopped, "default")
	e.nothingLeft()
}

// A supervisor that does not answer is nothing that a user has to look up a pid for.
func TestSupervisorHangs(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	st := e.status(0, "default")
	if err := syscall.Kill(st.Supervisor.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c := e.run(0, "stop", "--kill", "--timeout", "200ms")
	e.says(c, "^default  stopped in .*; its supervisor did not answer, and was killed with its VM$")
	e.gone(st.Supervisor.PID)
	e.gone(st.VM.PID)
	e.status(exitStopped, "default")
	e.says(e.run(0, "start"), "^default  ready") // nothing is in its way
	e.stopped("default")
}

// A service that is ill shows, and a start waits for it before it does anything about it.
func TestUnhealthy(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	st := e.status(0, "default")
	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	if err := syscall.Kill(st.VM.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	follower.Until(`"service":"(backend|dashboard)","detail"`)
	if now := e.status(exitUnhealthy, "default"); now.State != "ready" || now.Healthy {
		t.Errorf("got %+v", now)
	}
	e.says(e.run(exitUnhealthy, "status"), "^state +unhealthy, up", "not healthy: ")
	e.says(e.run(0, "ls"), "^default +unhealthy")
	c := e.start("start")
	if err := syscall.Kill(st.VM.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := c.End(); code != 0 {
		t.Errorf("start: exit code %d: %s", code, c.Stderr())
	}
	e.says(c, "^default  is already running")
	if now := e.status(0, "default"); now.VM == nil || now.VM.PID != st.VM.PID {
		t.Errorf("it was restarted: %+v", now)
	}
	e.stopped("default")
}

// One that does not recover is restarted by a start, and what it has stored is kept.
func TestUnhealthyIsRestarted(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.env = append(e.env, "STACKEMU_TEST_RECOVERY=1ms")
	e.run(0, "start")
	st := e.status(0, "default")
	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	if err := syscall.Kill(st.VM.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	follower.Until(`"service":"(backend|dashboard)","detail"`)
	c := e.start("start")
	follower.Until(`"state":"saving","from":"ready"`)
	if err := syscall.Kill(st.VM.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := c.End(); code != 0 {
		t.Errorf("start: exit code %d: %s", code, c.Stderr())
	}
	e.complains(c, "^warning: default: it is running, but not healthy .*: it is restarted unless it recovers$")
	e.says(c, "^default  ready  resumed")
	if now := e.status(0, "default"); now.VM == nil || now.VM.PID == st.VM.PID {
		t.Errorf("it was not restarted: %+v", now)
	}
	e.stopped("default")
}

func TestForegroundIsSeenFromOutside(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	c := e.up()
	if st := e.status(0, "default"); st.Supervisor == nil || st.Supervisor.PID != c.PID() || st.Supervisor.Background {
		t.Errorf("got %+v", st.Supervisor)
	}
	e.says(e.run(0, "start"), "^default  is already running")
	e.says(e.run(0, "stop"), "^default  stopped in")
	if code := c.End(); code != 0 {
		t.Errorf("up: exit code %d: %s", code, c.Stderr())
	}
	e.says(c, "ready", "saving", "stopped")
	e.nothingLeft()
}

// A start that was interrupted has begun something that others may wait for by now: it goes on.
func TestStartIsInterrupted(t *testing.T) {
	t.Parallel()
	s := healthy
	s.HTTP = &qemutest.HTTP{After: time.Minute}
	e := newBackground(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	c := e.start("start")
	follower := e.follow("default")
	follower.Until(`"state":"probing"`)
	c.Interrupt()
	if code := c.End(); code != exitForced || !strings.Contains(c.Stderr(), "what was begun goes on in the background") {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	if st := e.status(exitUnhealthy, "default"); st.State != "probing" {
		t.Errorf("got %+v", st)
	}
	e.says(e.run(0, "stop", "--kill"), "^default  stopped in .* cut off")
}

// Everybody who waits for a start hears why it has failed.
func TestStartFailsForAll(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Exit = &qemutest.Exit{After: time.Second, Code: 3, Stderr: "out of luck"}
	s.HTTP = &qemutest.HTTP{After: time.Minute}
	e := newBackground(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	first := e.start("start")
	e.follow("default").Until(`"state":"preparing"`)
	second := e.start("start")
	for n, c := range []*clitest.Command{first, second} {
		if code := c.End(); code != exitFailed || !strings.Contains(c.Stderr(), "out of luck") || !strings.Contains(c.Stderr(), "stackemu: default: ") {
			t.Errorf("start %d: exit code %d: %s", n, code, c.Stderr())
		}
	}
	e.status(exitBroken, "default")
}

// A supervisor that is asked to end by a signal, as at the end of a session, saves its instance.
func TestSupervisorIsTerminated(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	st := e.status(0, "default")
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM} { // the first one is a terminal's, which it does not have
		if err := syscall.Kill(st.Supervisor.PID, s); err != nil {
			t.Fatal(err)
		}
	}
	e.gone(st.Supervisor.PID)
	e.status(exitStopped, "default")
	e.nothingLeft()
	e.says(e.run(0, "logs"), "stopping, because of a signal", "saving", "stopped")
	if _, err := os.Stat(e.file("run/vm/session")); err != nil {
		t.Error(err)
	}
}

// several is an emulator whose ports are not given.
func several(t *testing.T) *emulator {
	e := newBackground(t, healthy)
	e.anyPorts()
	return e
}

// anyPorts has the instances find ports for themselves. They are the whole machine's: such a test does not run beside others.
func (e *emulator) anyPorts() {
	given := regexp.MustCompile(`^EMULATOR_[A-Z]+_PORT=`)
	e.env = slices.DeleteFunc(e.env, given.MatchString)
}

func TestSeveralInBackground(t *testing.T) {
	e := several(t)
	c := e.run(0, "start", "a", "b")
	e.says(c, "^a  ready", "^  backend ", "^b  ready", "^  backend ")
	a, b := e.status(0, "a"), e.status(0, "b")
	if a.Services[0].Port == b.Services[0].Port || a.VM.PID == b.VM.PID || a.Supervisor.PID == b.Supervisor.PID {
		t.Errorf("a: %+v\nb: %+v", a, b)
	}
	if s := e.snapshots(); len(s) != 1 {
		t.Errorf("snapshots: %q", s)
	}
	e.says(e.run(0, "ls"), "^a +ready", "^b +ready")
	e.says(e.run(0, "restart", "a", "--json"), `"command": "restart"`, `"instance": "a"`, `"state": "ready"`, `"how": "resume"`)
	if again := e.status(0, "a"); again.VM.PID == a.VM.PID || again.Services[0].Port != a.Services[0].Port {
		t.Errorf("got %+v, before %+v", again, a)
	}
	e.says(e.run(0, "stop", "--all"), "^a  stopped", "^b  stopped")
	e.status(exitStopped, "a")
	e.complains(e.run(exitUsage, "stop", "--all", "a"), "takes no instance name")
	e.says(e.run(0, "ls"), `^a +stopped +- +- +\d+-\d+`)

	// That one of several cannot be started is no reason to be silent about the others.
	if err := os.WriteFile(e.file("run/c"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c = e.run(exitFailed, "start", "a", "c")
	e.says(c, "^a  ready  resumed", "^  backend ")
	e.complains(c, "^stackemu: c: ")
	e.says(e.run(exitFailed, "start", "a", "c", "--json"), `"data": \[`, `"instance": "a"`, `"error": \{`, `"message": "c: `)
	e.run(0, "stop", "a")
}

func TestSeveralInForeground(t *testing.T) {
	e := several(t)
	c := e.start("up", "a", "b")
	c.Until("^[ab] +ready")
	c.Until("^[ab] +ready")
	e.says(e.run(0, "stop", "a"), "^a  stopped")
	e.status(0, "b")
	c.Interrupt()
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.says(c, "^[ab] +stopped")
	e.env = append(e.env, "EMULATOR_BACKEND_PORT=12345")
	e.complains(e.run(exitUsage, "start", "a", "b"), "EMULATOR_\\*_PORT variables, or ports in stackemu.yaml, give the ports of one instance")
}

// A home deeper than a socket's address is long.
func TestLongHome(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	deep := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if err := os.Rename(e.home, deep); err != nil {
		t.Fatal(err)
	}
	e.home = deep
	e.env = append(e.env, "STACK_EMULATOR_HOME="+deep, "EMULATOR_NO_SNAPSHOT=1")
	e.run(0, "start")
	e.status(0, "default")
	e.stopped("default")
}
