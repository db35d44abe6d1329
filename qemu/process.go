package qemu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is a program to start as a [Process].
type Command struct {
	Path  string
	Args  []string
	Files []*os.File // descriptors [FirstFD] and up in the process; they stay the caller's to close
	// Log is the file that standard error is appended to, made with mode 0600. "" keeps it only for the error at the end.
	Log string
	// Stdout gets the standard output, or nothing does if it is nil. A file is handed over as it is; another writer lives
	// as long as this process does.
	Stdout io.Writer
}

// Process is a program that has been started. It belongs to nobody's context: it ends by itself, by QMP or by Kill, and
// also outlives the process that has started it. It has a process group of its own, so that a Ctrl-C on the terminal is
// not for it.
type Process struct {
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{}
	err    error // valid when done is closed
}

// ExitError is the end of a process other than by exit code 0.
type ExitError struct {
	Code   int            // exit code, or -1 after a signal
	Signal syscall.Signal // what killed it, or 0
	Stderr string         // the last lines of standard error
}

// Error gives the way it ended and the last thing that was said.
func (e *ExitError) Error() string {
	how := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != 0 {
		how = "killed by signal " + e.Signal.String()
	}
	said := strings.TrimSpace(e.Stderr)
	if said == "" {
		return how
	}
	return how + ": " + said[strings.LastIndexByte(said, '\n')+1:]
}

// Start starts a process, with nothing to read on its standard input. It has to be waited for by [Process.Done].
func Start(c Command) (*Process, error) {
	stderr, err := openTail(c.Log)
	if err != nil {
		return nil, fmt.Errorf("qemu: log of %s: %w", c.Path, err)
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Stdout = c.Stdout
	cmd.Stderr = stderr.file // a file, and not a pipe through us: QEMU can go on without us
	cmd.ExtraFiles = c.Files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // for output that something else holds open
	if err := cmd.Start(); err != nil {
		stderr.close()
		return nil, fmt.Errorf("qemu: %w", err)
	}
	p := &Process{cmd: cmd, stderr: stderr, done: make(chan struct{})}
	go p.reap()
	return p, nil
}

// reap is the one goroutine that waits for the process.
func (p *Process) reap() {
	defer close(p.done)
	defer p.stderr.close()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		p.err = &ExitError{exit.ExitCode(), signalOf(exit), p.stderr.read()}
	default:
		p.err = err // the output could not be copied to the end
	}
}

// signalOf returns what killed a process, or 0.
func signalOf(e *exec.ExitError) syscall.Signal {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return status.Signal()
	}
	return 0
}

// PID returns the process id. It may be somebody else's once Done is closed.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended and has been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns nil while the process runs and after exit code 0, else an [*ExitError].
func (p *Process) Err() error {
	select {
	case <-p.done:
		if p.err == nil {
			return nil
		}
		return fmt.Errorf("qemu: %w", p.err)
	default:
		return nil
	}
}

// Kill ends the process at once. It never hits another process: one that is gone is left alone.
func (p *Process) Kill() { p.Signal(syscall.SIGKILL) }

// Signal sends a signal, and does nothing if the process is gone.
func (p *Process) Signal(s syscall.Signal) {
	// The only error is that the process is gone, which Done tells.
	_ = p.cmd.Process.Signal(s)
}
