package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Lines that the program prints when an instance can be used, and when it makes a snapshot for it first.
var (
	readyLine   = regexp.MustCompile(`^\S+ +ready +`)
	captureLine = regexp.MustCompile(`^\S+ +capturing +`)
)

// child is one run of the program.
type child struct {
	cmd    *exec.Cmd
	began  time.Time     // just before exec
	ready  chan struct{} // closed with the line
	done   chan struct{} // closed at the end
	stderr tail          // complete when done is closed

	// Valid when ready is closed:
	at       time.Time // when the line came
	captured bool      // a snapshot was made before

	err error // of the end; valid when done is closed
}

// startChild starts the program. It is in a process group of its own: a Ctrl-C on the terminal is for the one who measures,
// who then ends it in an orderly way.
func startChild(program string, args, env []string) (*child, error) {
	c := &child{ready: make(chan struct{}), done: make(chan struct{})}
	c.cmd = exec.Command(program, args...)
	c.cmd.Env, c.cmd.Stderr = env, &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.WaitDelay = time.Second // for a descendant that holds the output open
	lines, stdout := io.Pipe()    // and not StdoutPipe, which Wait must not overtake
	c.cmd.Stdout = stdout
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read(lines)
	}()
	go func() {
		defer close(c.done)
		c.err = c.cmd.Wait()
		_ = stdout.Close() // never fails
		<-read
	}()
	return c, nil
}

func (c *child) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	for seen := false; lines.Scan(); {
		switch {
		case seen:
		case captureLine.Match(lines.Bytes()):
			c.captured = true
		case readyLine.Match(lines.Bytes()):
			seen, c.at = true, time.Now()
			close(c.ready)
		}
	}
	_, _ = io.Copy(io.Discard, from) // after a line that is too long; the writer must not block
}

// awaitReady waits for the ready line.
func (c *child) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready within %v", readyTimeout))
	defer cancel()
	select {
	case <-c.ready:
		return nil
	case <-c.done:
		return errors.Join(errors.New("it ended before it was ready"), c.failure())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end waits until the program has ended with success.
func (c *child) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not done within %v", readyTimeout))
	defer cancel()
	select {
	case <-c.done:
		return c.failure()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// failure is how the program has ended, with its own last words.
func (c *child) failure() error {
	if c.err == nil {
		return nil
	}
	if said := c.stderr.lastLine(); said != "" {
		return errors.New(said)
	}
	return c.err
}

// interrupt is a Ctrl-C.
func (c *child) interrupt() { _ = c.cmd.Process.Signal(os.Interrupt) } // fails only when it has ended

// secondCtrlC is after the first. An earlier one would pass for an echo of that.
const secondCtrlC = 200 * time.Millisecond

// endTimeout is how long the program may take after that. Tests have no time.
var endTimeout = 20 * time.Second

// abandon ends the program without saving anything: by two times Ctrl-C, so that it ends its own QEMU, at whatever step it
// is; by force if that does not help.
func (c *child) abandon() {
	for _, patience := range []time.Duration{secondCtrlC, endTimeout} {
		c.interrupt()
		if c.ended(patience) {
			return
		}
	}
	_ = c.cmd.Process.Kill() // fails only when it has ended
	<-c.done
}

func (c *child) ended(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = bytes.Clone(t.text[extra:])
	}
	return len(p), nil
}

func (t *tail) lastLine() string {
	text := strings.TrimSpace(string(t.text))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
