package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"os/exec"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/clitest"
)

// Programs in a real guest, with live input and output: a terminal, more input than the agent carries, an end that reaches the
// program, and the log of the stack.
func TestSessions(t *testing.T) {
	e := newFleet(t)
	e.run(0, "start", "a")

	input := make([]byte, 12<<20)
	_, _ = rand.Read(input)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cat := exec.CommandContext(ctx, e.bin, "exec", "a", "--", "cat")
	cat.Env, cat.Stdin = e.env, bytes.NewReader(input)
	if output, err := cat.Output(); err != nil || !bytes.Equal(output, input) {
		t.Errorf("%d bytes came back of %d: %v", len(output), len(input), err)
	}
	if out := e.run(0, "exec", "a", "--", "sh", "-c", `echo "$HOME $PWD"`); out != "/root /" {
		t.Errorf("got %q", out)
	}
	e.run(127, "exec", "a", "--", "no-such-program")

	shell := clitest.StartOnTerminal(t, limit, 33, 111, e.env, e.bin, "shell", "a")
	shell.Types("stty size; echo $TERM-$((6*7))\r")
	shell.Until("33 111\r\n")
	shell.Until("xterm-42\r\n")
	shell.Resizes(20, 70)
	shell.Types("sh -c 'echo $((6*7)) begun; exec sleep 1000'\r") // before that, a key may still be the shell's
	shell.Until("42 begun\r\n")
	shell.Types("\x03")
	shell.Until("^C")
	shell.Types("stty size; exit 9\r")
	shell.Until("20 70\r\n")
	if code := shell.End(); code != 9 || !shell.Restored() {
		t.Errorf("shell: exit code %d, terminal restored: %v", code, shell.Restored())
	}

	// What is interrupted does not go on.
	sleeper := clitest.Start(t, limit, e.env, e.bin, "exec", "a", "--", "sh", "-c", "echo begun; exec sleep 123456")
	sleeper.Until("^begun$")
	sleeper.Interrupt()
	if code := sleeper.End(); code != 130 {
		t.Errorf("exit code %d: %s", code, sleeper.Stderr())
	}
	e.eventually("end of the program", func() error {
		if e.code("exec", "a", "--", "sh", "-c", "! grep -qs 12345[6] /proc/[0-9]*/cmdline") != 0 {
			return errNotYet
		}
		return nil
	})

	// The end of an instance is that of its sessions.
	follower := clitest.Start(t, limit, e.env, e.bin, "logs", "a", "-f", "-n", "5", "--source", "stack")
	line := follower.Until(`^postgres +\| `)
	if all := e.run(0, "logs", "a", "-n", "-1", "--source", "stack"); !strings.Contains(all, line) || !strings.Contains(all, "stack-app") {
		t.Errorf("the log of the stack:\n%s", all)
	}
	e.run(0, "stop", "--all")
	if code := follower.End(); code != 1 {
		t.Errorf("logs -f: exit code %d: %s", code, follower.Stderr())
	}
	e.run(1, "logs", "a", "--source", "stack")
}
