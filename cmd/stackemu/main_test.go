package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// The test binary plays three parts: the tests, the command (STACKEMU_TEST_RUN=1, or by name in scripts), and the fake QEMU.
func TestMain(m *testing.M) {
	qemutest.Main()
	if os.Getenv("STACKEMU_TEST_RUN") != "" {
		if d, err := time.ParseDuration(os.Getenv("STACKEMU_TEST_RECOVERY")); err == nil {
			recovery = d
		}
		limitDescriptors()
		if dir := os.Getenv(planEnv); dir != "" {
			logged = func(out io.Writer) io.Writer { return saboteur{out, dir} }
		}
		code := 0
		if os.Getenv("STACKEMU_TEST_RUN") == linesMode {
			runLines(os.Args[1:])
		} else {
			code = run(os.Args)
		}
		// The library's throttle of dead letters ends by itself, one second after the first of them.
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 99
		}
		os.Exit(code)
	}
	// Most of the time tests wait for processes. A -parallel on the command line goes before this.
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.NumCPU())); err != nil {
		panic(err)
	}
	testscript.Main(leakless{m}, map[string]func(){"stackemu": main})
}

// leakless are tests that leave no goroutine.
type leakless struct{ *testing.M }

func (m leakless) Run() int {
	code := m.M.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("STACK_EMULATOR_HOME", filepath.Join(e.WorkDir, "home"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": withStatus},
	})
}

// withStatus runs the command, which has to end with the given exit code: status CODE ARG...
func withStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: status CODE ARG...")
	}
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec("stackemu", args[1:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; fmt.Sprint(code) != want {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
}

// emulator is one home with an image in it, and a fake QEMU to run it.
type emulator struct {
	*testing.T
	home string
	env  []string
	port map[string]int
	qemu *qemu.Binary

	deeds string // directory with what is still to be done to its supervisors (see planEnv)
}

func newEmulator(t *testing.T, s qemutest.Script) *emulator {
	t.Helper()
	e := &emulator{T: t, home: t.TempDir(), port: map[string]int{"DASHBOARD": clitest.FreePort(t), "BACKEND": clitest.FreePort(t)}}
	b := qemutest.Binary(t, s)
	e.qemu = b
	e.env = append(os.Environ(), "STACKEMU_TEST_RUN=1", "STACKEMU_CONFIG=none",
		"GORACE=atexit_sleep_ms=0", // the race detector would hold every exit up for a second
		"STACK_EMULATOR_HOME="+e.home, "EMULATOR_ARCH=amd64", "EMULATOR_RAM=512", "QEMU_IMG="+b.Img, "QEMU_SYSTEM_X86_64="+b.Path)
	for name, port := range e.port {
		e.env = append(e.env, fmt.Sprintf("EMULATOR_%s_PORT=%d", name, port))
	}
	image := filepath.Join(e.home, "images", "stack-emulator-amd64.qcow2")
	if err := os.MkdirAll(filepath.Dir(image), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, qemutest.Qcow2(""), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image+".json", []byte(`{"profile":"reference","services":["dashboard","backend"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *emulator) start(args ...string) *clitest.Command {
	e.Helper()
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	return clitest.Start(e, time.Minute, e.env, self, args...)
}

// up starts the instance and waits until it is ready.
func (e *emulator) up(args ...string) *clitest.Command {
	e.Helper()
	c := e.start(append([]string{"up"}, args...)...)
	c.Until(`^default +ready`)
	return c
}

// stop stops it with Ctrl-C, as it should be.
func (e *emulator) stop(c *clitest.Command) {
	e.Helper()
	c.Interrupt()
	if code := c.End(); code != 0 {
		e.Errorf("exit code %d: %s\n%s", code, c.Stderr(), c.Stdout())
	}
	e.nothingLeft()
}

// run runs a command to its end, which has to be this exit code.
func (e *emulator) run(want int, args ...string) *clitest.Command {
	e.Helper()
	c := e.start(args...)
	if code := c.End(); code != want {
		e.Errorf("%q: exit code %d, want %d: %s\n%s", args, code, want, c.Stderr(), c.Stdout())
	}
	return c
}

// says checks what a command has written to its standard output, in this order.
func (e *emulator) says(c *clitest.Command, patterns ...string) {
	e.Helper()
	rest := c.Stdout()
	for _, p := range patterns {
		at := regexp.MustCompile("(?m)" + p).FindStringIndex(rest)
		if at == nil {
			e.Errorf("no %q, or not where it should be, in\n%s", p, c.Stdout())
			return
		}
		rest = rest[at[1]:]
	}
}

// saysNot checks what it has not.
func (e *emulator) saysNot(c *clitest.Command, patterns ...string) {
	e.Helper()
	said := noKVM.ReplaceAllString(c.Stdout(), "")
	for _, p := range patterns {
		if regexp.MustCompile("(?m)" + p).MatchString(said) {
			e.Errorf("%q is in\n%s", p, c.Stdout())
		}
	}
}

// noKVM is said to users who may not open this host's /dev/kvm, which is not the fake's.
var noKVM = regexp.MustCompile(`(?m)^.*/dev/kvm is there but not for this user.*\n`)

// saysOnce checks that something is said, and not again.
func (e *emulator) saysOnce(c *clitest.Command, word string) {
	e.Helper()
	if n := strings.Count(c.Stdout(), word); n != 1 {
		e.Errorf("%q is %d times in\n%s", word, n, c.Stdout())
	}
}

// complains checks what a command has written to its standard error.
func (e *emulator) complains(c *clitest.Command, pattern string) {
	e.Helper()
	if !regexp.MustCompile("(?m)" + pattern).MatchString(c.Stderr()) {
		e.Errorf("no %q in %s", pattern, c.Stderr())
	}
}

// file is the path of something in the home.
func (e *emulator) file(name ...string) string {
	return filepath.Join(append([]string{e.home}, name...)...)
}

// qemuPID is the pid of the VM, as the instance's file has it.
func (e *emulator) qemuPID() int {
	e.Helper()
	id, err := qemu.ReadPID(filepath.Join(e.home, "run/vm/qemu.pid"))
	if err != nil {
		e.Fatal(err)
	}
	return id.PID
}

// nothingLeft checks what must be gone after every end: processes, sockets, the pid file, the lock's hold.
func (e *emulator) nothingLeft() {
	e.Helper()
	for _, name := range []string{"monitor.sock", "qga.sock", "qemu.pid"} {
		if _, err := os.Lstat(filepath.Join(e.home, "run/vm", name)); err == nil {
			e.Errorf("%s is left", name)
		}
	}
	for _, port := range e.port {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			e.Errorf("port %d: %v", port, err)
		} else {
			l.Close()
		}
	}
}

func (e *emulator) get(service, path string) (int, string) {
	e.Helper()
	r, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", e.port[service], path))
	if err != nil {
		e.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

// healthy is a VM that does what it should. It claims to run under any accelerator, so that no test waits for a broken one.
var healthy = qemutest.Script{Accels: []qemu.Accel{qemu.KVM, qemu.HVF, qemu.TCG}, Agent: &qemutest.Agent{},
	Guest: &qemutest.Guest{}, HTTP: &qemutest.HTTP{After: 100 * time.Millisecond, Body: "well"}}

func TestUpAndCtrlC(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	c := e.up()
	if code, body := e.get("BACKEND", "/"); code != 200 || body != "well" {
		t.Errorf("got %d %s", code, body)
	}
	e.stop(c)
	e.says(c, "preparing", "cold-booting", "probing", "ready",
		fmt.Sprintf("http://localhost:%d", e.port["DASHBOARD"]), fmt.Sprintf("http://localhost:%d", e.port["BACKEND"]), "stopped")
	e.saysNot(c, "capturing", "resuming", "warning")
}

func TestSecondCtrlCDoesNotWait(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Agent = &qemutest.Agent{IgnoreShutdown: true}
	s.Monitor = qemutest.Monitor{IgnorePowerdown: true, IgnoreQuit: true, Migration: qemutest.Migration{SaveError: "no session"}}
	e := newEmulator(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	c := e.start("up")
	c.Until(`ready`)
	c.Interrupt()
	c.Until(`stopping`)
	time.Sleep(2 * bounce) // an earlier one would pass for an echo of the first
	c.Interrupt()
	if code := c.End(); code != exitForced || !strings.Contains(c.Stderr(), "stackemu: default: stopped by force") {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
}

// The echo of a Ctrl-C, as npm and shells pass it on, is no second one.
func TestEchoOfCtrlC(t *testing.T) {
	r := &runner{stopped: time.Now().Add(time.Hour)} // the first one was just now, however slow this machine is
	if r.stop(); r.forced {
		t.Error("the guest was not waited for")
	}
}

func TestKilledQEMU(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.start("up")
	var last int
	for n := range 3 {
		c.Until(`^default +ready|is ready`)
		pid := e.qemuPID()
		if pid == last {
			t.Errorf("death %d: the same process again", n)
		}
		last = pid
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if code := c.End(); code != exitFailed || strings.Count(c.Stderr(), "killed by signal") != 3 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
}

func TestSecondUpIsRefused(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	first := e.start("up")
	first.Until(`ready`)
	second := e.start("up")
	want := fmt.Sprintf("stackemu: default: is already running (its supervisor has pid %d)", first.PID())
	if code := second.End(); code != exitFailed || !strings.Contains(second.Stderr(), want) {
		t.Errorf("exit code %d: %s", code, second.Stderr())
	}
	if code, _ := e.get("BACKEND", "/"); code != 200 {
		t.Error("the first one suffered")
	}
	first.Interrupt()
	if code := first.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, first.Stderr())
	}
}

// After a kill -9 of the supervisor its VM goes on serving. The next one takes it over.
func TestOrphanOfAKilledSupervisor(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	first := e.start("up")
	first.Until(`ready`)
	orphan := e.orphan(first)
	second := e.start("up")
	second.Until(fmt.Sprintf(`took over the VM that a former supervisor had left \(pid %d\)`, orphan.PID))
	second.Until(`ready .* taken over`)
	if !orphan.Alive() {
		t.Error("the VM is another one")
	}
	second.Interrupt()
	if code := second.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, second.Stderr())
	}
	if !strings.Contains(second.Stdout(), "saving") {
		t.Error("no session was saved")
	}
	e.nothingLeft()
}

// A VM that nobody knows enough about is ended in an orderly way.
func TestOrphanThatCannotBeTakenOver(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	first := e.start("up")
	first.Until(`ready`)
	orphan := e.orphan(first)
	if err := os.WriteFile(filepath.Join(e.home, "run/vm/vm.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := e.start("up")
	second.Until(fmt.Sprintf(`ended a VM that a former supervisor had left \(pid %d\)`, orphan.PID))
	second.Until(`ready`)
	if orphan.Alive() {
		t.Error("the orphan lives")
	}
	second.Interrupt()
	if code := second.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, second.Stderr())
	}
	e.nothingLeft()
}

// orphan kills a supervisor and leaves its VM.
func (e *emulator) orphan(supervisor *clitest.Command) qemu.Identity {
	e.Helper()
	id, err := qemu.ReadPID(filepath.Join(e.home, "run/vm/qemu.pid"))
	if err != nil {
		e.Fatal(err)
	}
	supervisor.Kill()
	supervisor.End()
	if !id.Alive() {
		e.Fatal("the VM died with its supervisor: nothing to test")
	}
	return id
}

func TestTakenPortNamesItsOwner(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", e.port["BACKEND"]))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := e.start("up")
	if code := c.End(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"stackemu: default: backend: ", fmt.Sprint(e.port["BACKEND"]), fmt.Sprint(os.Getpid())} {
		if !strings.Contains(c.Stderr(), want) {
			t.Errorf("no %q in %s", want, c.Stderr())
		}
	}
}

func TestQEMURefuses(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, qemutest.Script{Accels: healthy.Accels, Refuse: "unsupported machine type 'pc-q35-9.0'"})
	c := e.start("up")
	if code := c.End(); code != exitFailed || !strings.Contains(c.Stderr(), "unsupported machine type") {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
}

func TestMessageLog(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.start("--log-level", "trace", "--log-format", "json", "up")
	c.Until(`ready`)
	c.Interrupt()
	if code := c.End(); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.Stderr())
	}
	for line := range strings.Lines(c.Stderr()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON on standard error: %s", line)
		}
	}
	if !strings.Contains(c.Stderr(), `"type":"MonitorReady"`) {
		t.Error("no messages on standard error")
	}
	b, err := os.ReadFile(filepath.Join(e.home, "run/vm/messages.jsonl"))
	if err != nil || !strings.Contains(string(b), `"type":"MonitorReady"`) {
		t.Errorf("no messages in the file: %v", err)
	}
}

func TestDataOutlivesANewerImage(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	image := filepath.Join(e.home, "images", "stack-emulator-amd64.qcow2")
	first := e.start("up")
	first.Until(`ready`)
	first.Interrupt()
	if code := first.End(); code != 0 {
		t.Fatalf("exit code %d: %s", code, first.Stderr())
	}
	if err := os.WriteFile(image+".new", append(qemutest.Qcow2(""), 0), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(image+".new", image); err != nil {
		t.Fatal(err)
	}
	second := e.start("up")
	second.Until(`runs on the image that it was made from`)
	second.Until(`ready`)
	second.Interrupt()
	if code := second.End(); code != 0 {
		t.Fatalf("exit code %d: %s", code, second.Stderr())
	}
}
