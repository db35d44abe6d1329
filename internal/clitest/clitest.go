// Package clitest runs a command of ours in a test, reads its lines as they come, and sees to it that the command does not
// outlive the test.
package clitest

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Command is a running command.
type Command struct {
	t      testing.TB
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stdout []string
	stderr strings.Builder // complete once the command has ended
}

// Start starts a program. It is killed when limit is over, or with the test.
func Start(t testing.TB, limit time.Duration, env []string, program string, args ...string) *Command {
	t.Helper()
	c := &Command{t: t, cmd: exec.Command(program, args...)}
	c.cmd.Env, c.cmd.Stderr = env, &c.stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(limit, c.Kill)
	t.Cleanup(func() {
		deadline.Stop()
		c.Kill()
	})
	return c
}

// Until reads standard output until a line matches, and returns that line.
func (c *Command) Until(pattern string) string {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	for c.lines.Scan() {
		line := c.lines.Text()
		c.stdout = append(c.stdout, line)
		if re.MatchString(line) {
			return line
		}
	}
	_ = c.cmd.Wait()
	c.t.Fatalf("no line matches %q in\n%s\nstandard error:\n%s", pattern, c.Stdout(), c.Stderr())
	return ""
}

// End waits for the command's end and returns its exit code; -1 after a signal.
func (c *Command) End() int {
	c.t.Helper()
	for c.lines.Scan() {
		c.stdout = append(c.stdout, c.lines.Text())
	}
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// Stdout is what has been read of standard output so far.
func (c *Command) Stdout() string { return strings.Join(c.stdout, "\n") }

// Stderr is what was written to standard error. It may be called once the command has ended.
func (c *Command) Stderr() string { return c.stderr.String() }

// PID is the command's process id.
func (c *Command) PID() int { return c.cmd.Process.Pid }

// Interrupt is a Ctrl-C.
func (c *Command) Interrupt() { _ = c.cmd.Process.Signal(os.Interrupt) }

// Kill is a kill -9.
func (c *Command) Kill() { _ = c.cmd.Process.Signal(syscall.SIGKILL) }
