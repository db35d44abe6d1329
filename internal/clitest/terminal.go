package clitest

import (
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// maxShown is how much of it Last gives, in bytes: a live screen writes much.
const maxShown = 2000

// Terminal is a command that runs on a terminal of its own, with somebody in front of it.
type Terminal struct {
	t      testing.TB
	cmd    *exec.Cmd
	device *os.File
	before *term.State // as the command has found it
	late   <-chan time.Time
	ended  chan struct{} // the command, and what it has written is read

	mu   sync.Mutex
	all  string
	seen int // how much of it Until has passed
	more chan struct{}
}

// StartOnTerminal starts a program on a terminal of so many rows and columns. It is killed when limit is over, or with the test.
func StartOnTerminal(t testing.TB, limit time.Duration, rows, cols uint16, env []string, program string, args ...string) *Terminal {
	t.Helper()
	c := &Terminal{t: t, cmd: exec.Command(program, args...), ended: make(chan struct{}), more: make(chan struct{}, 1), late: time.After(limit)}
	c.cmd.Env = append(env[:len(env):len(env)], "TERM=xterm", "CI=") // a person's
	device, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	c.device = device
	if err := pty.Setsize(device, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		t.Fatal(err)
	}
	c.before = c.state()
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = tty, tty, tty
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.AfterFunc(limit, c.Kill)
	t.Cleanup(func() {
		deadline.Stop()
		c.Kill()
		<-c.ended
		device.Close()
	})
	go c.read()
	return c
}

func (c *Terminal) read() {
	defer close(c.ended)
	for block := make([]byte, 4<<10); ; {
		n, err := c.device.Read(block)
		c.mu.Lock()
		c.all += string(block[:n])
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
		if err != nil { // EIO: nobody is left on the terminal
			_ = c.cmd.Wait()
			return
		}
	}
}

// Types presses keys.
func (c *Terminal) Types(keys string) { _, _ = c.device.WriteString(keys) }

// Resizes gives the terminal another size.
func (c *Terminal) Resizes(rows, cols uint16) {
	c.t.Helper()
	if err := pty.Setsize(c.device, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		c.t.Fatal(err)
	}
}

// Until waits until a text has been written, after the one that was waited for before.
func (c *Terminal) Until(text string) {
	c.t.Helper()
	for {
		if c.find(text) {
			return
		}
		select {
		case <-c.more:
			continue
		case <-c.ended:
			if c.find(text) {
				return
			}
		case <-c.late:
		}
		c.t.Fatalf("no %q, after the texts before it; the last of what there is:\n%q", text, c.Last())
	}
}

func (c *Terminal) find(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := strings.Index(c.all[c.seen:], text)
	if at < 0 {
		return false
	}
	c.seen += at + len(text)
	return true
}

// Shown is all that the terminal has been sent.
func (c *Terminal) Shown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// Last is the end of it, for the message of a failure.
func (c *Terminal) Last() string {
	shown := c.Shown()
	return shown[max(len(shown)-maxShown, 0):]
}

// End waits for the command's end and returns its exit code; -1 after a signal.
func (c *Terminal) End() int {
	c.t.Helper()
	<-c.ended // at the latest when its time is over
	return c.cmd.ProcessState.ExitCode()
}

// Restored tells whether the terminal works as it did before the command.
func (c *Terminal) Restored() bool { return reflect.DeepEqual(c.before, c.state()) }

func (c *Terminal) state() (s *term.State) {
	c.t.Helper()
	raw, err := c.device.SyscallConn()
	if err == nil {
		if failed := raw.Control(func(fd uintptr) { s, err = term.GetState(int(fd)) }); failed != nil {
			err = failed
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// PID is the command's process id.
func (c *Terminal) PID() int { return c.cmd.Process.Pid }

// Signal sends the command a signal.
func (c *Terminal) Signal(s os.Signal) { _ = c.cmd.Process.Signal(s) }

// Kill is a kill -9.
func (c *Terminal) Kill() { c.Signal(syscall.SIGKILL) }
