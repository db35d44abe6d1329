package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// withSessions is a guest whose programs are those of this host.
func withSessions(t *testing.T) *emulator {
	t.Helper()
	s := healthy
	s.Guest = &qemutest.Guest{Sessions: true}
	e := newBackground(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	e.run(0, "start")
	return e
}

// onTerminal runs a command on a terminal.
func (e *emulator) onTerminal(args ...string) *clitest.Terminal {
	e.Helper()
	self, err := os.Executable()
	if err != nil {
		e.Fatal(err)
	}
	return clitest.StartOnTerminal(e, time.Minute, 24, 80, e.env, self, args...)
}

func TestExecStreams(t *testing.T) {
	t.Parallel()
	e := withSessions(t)
	c := e.run(7, "exec", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
	if c.Stdout() != "out" || c.Stderr() != "err\n" {
		t.Errorf("got %q, %q", c.Stdout(), c.Stderr())
	}
	e.run(exitSignalled+9, "exec", "--", "sh", "-c", "kill -KILL $$")
	e.says(e.runWith("some input\n", 0, "exec", "-i", "--", "cat"), "^some input$")
	e.saysNot(e.runWith("some input\n", 0, "exec", "-n", "--", "cat"), "input")
	e.says(e.runWith("echo of the shell\n", 0, "shell"), "^of the shell$")
	e.complains(e.run(exitNoProgram, "exec", "--", "/no/such"), "^stackemu: default: exec: /no/such: no such program in the guest$")
	e.complains(e.run(exitUsage, "exec", "-it", "--", "cat"), "standard input is no terminal")
	e.complains(e.run(exitUsage, "exec", "-in", "--", "cat"), "contradict")
}

// Output comes as it is written: the program waits until it has been seen.
func TestExecIsLive(t *testing.T) {
	t.Parallel()
	e := withSessions(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "exec", "--", "sh", "-c", `read word; echo "got $word"; read word; echo "got $word"`)
	cmd.Env = e.env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
	for _, word := range []string{"one", "two"} {
		fmt.Fprintln(in, word)
		got := make([]byte, len("got one\n"))
		if _, err := io.ReadFull(out, got); err != nil || string(got) != "got "+word+"\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// More than the agent could carry goes in, and comes back the same.
func TestExecLargeInput(t *testing.T) {
	t.Parallel()
	e := withSessions(t)
	input := make([]byte, 20<<20)
	_, _ = rand.Read(input)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "exec", "--", "cat")
	cmd.Env, cmd.Stdin = e.env, bytes.NewReader(input)
	output, err := cmd.Output()
	if err != nil || !bytes.Equal(output, input) {
		t.Errorf("%d bytes came back of %d: %v", len(output), len(input), err)
	}
}

func TestExecOnTerminal(t *testing.T) {
	t.Parallel()
	e := withSessions(t)
	c := e.onTerminal("exec", "-it", "--", "sh", "-c", `trap 'echo interrupted' INT; echo "$TERM $(stty size)"; read word; stty size; exit 3`)
	c.Until("xterm 24 80\r\n")
	c.Types("\x03") // Ctrl-C is the program's
	c.Until("interrupted\r\n")
	c.Resizes(30, 90)
	c.Types("x\r")
	if code := c.End(); code != 3 {
		t.Errorf("exit code %d: %q", code, c.Shown())
	}
	if !c.Restored() {
		t.Error("the terminal is not as it was")
	}
}

func TestShellOnTerminal(t *testing.T) {
	t.Parallel()
	e := withSessions(t)
	c := e.onTerminal("shell")
	c.Types("echo $((6*7)) $0\r")
	c.Until("42 -")
	c.Types("exit 5\r")
	if code := c.End(); code != 5 || !c.Restored() {
		t.Errorf("exit code %d, terminal restored: %v", code, c.Restored())
	}
}

// A signal from elsewhere, an end of the supervisor: the program goes, and the terminal is as it was.
func TestSessionIsEnded(t *testing.T) {
	t.Parallel()
	e := withSessions(t)
	for name, end := range map[string]func(*clitest.Terminal){
		"signal": func(c *clitest.Terminal) { c.Signal(syscall.SIGTERM) },
		"stop":   func(*clitest.Terminal) { e.run(0, "stop") },
	} {
		e.run(0, "start")
		c := e.onTerminal("exec", "-it", "--", "sh", "-c", "echo pid $$.; exec sleep 1000")
		c.Until("pid ")
		c.Until(".\r\n")
		var pid int
		if _, err := fmt.Sscanf(c.Shown()[strings.Index(c.Shown(), "pid "):], "pid %d", &pid); err != nil {
			t.Fatal(err)
		}
		id, err := qemu.IdentityOf(pid)
		if err != nil {
			t.Fatal(err)
		}
		end(c)
		if code := c.End(); code == 0 || code == -1 {
			t.Errorf("%s: exit code %d: %q", name, code, c.Shown())
		}
		if !c.Restored() {
			t.Errorf("%s: the terminal is not as it was", name)
		}
		for late := time.Now().Add(time.Minute); id.Alive() && time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		}
		if id.Alive() {
			t.Errorf("%s: the program goes on", name)
		}
	}
}

// Without a terminal Ctrl-C ends the session.
func TestExecIsInterrupted(t *testing.T) {
	t.Parallel()
	e := withSessions(t)
	c := e.start("exec", "--", "sh", "-c", "echo begun; exec sleep 1000")
	c.Until("begun")
	c.Interrupt()
	if code := c.End(); code != exitForced {
		t.Errorf("exit code %d", code)
	}
	e.complains(c, "^stackemu: default: exec: interrupted$")
}

// A guest with older tools has what it had; what it cannot do is an error that says so.
func TestExecWithoutSessions(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Guest = &qemutest.Guest{}
	s.Agent = &qemutest.Agent{Execs: map[string]qemutest.Exec{"cat": {Echo: true}}}
	e := newBackground(t, s)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1")
	e.run(0, "start")
	e.says(e.runWith("some input\n", 0, "exec", "--", "cat"), "^some input$")
	e.complains(e.runWith("", exitFailed, "exec", "-i", "--", "cat"), "^stackemu: default: exec: the guest's tools cannot stream input and output; ")
	c := e.onTerminal("shell")
	c.Until("the guest's tools cannot stream input and output")
	if code := c.End(); code != exitFailed || !c.Restored() {
		t.Errorf("exit code %d", code)
	}
}
