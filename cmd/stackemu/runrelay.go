package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A signal to `run` is meant for the command that it runs, which is to get it once. Who sends signals decides how:
//
//   - On a terminal the command is in our process group, as it must be to read from it, and Ctrl-C reaches it from there. So
//     what a terminal sends is not passed on; the rest is, to the command alone.
//   - Without one the command has a process group of its own, so that a signal to ours (a CI job that is cancelled) does not
//     reach it twice. Everything is passed on, to all of that group.

// exitNotRunnable is the exit code of shells for a program that is there and cannot be run.
const exitNotRunnable = 126

// program is what to run.
type program struct {
	path string
	args []string // with its name
}

// findProgram looks for a program as a shell does.
func findProgram(words []string) (*program, error) {
	path, err := exec.LookPath(words[0])
	if err == nil {
		return &program{path, words}, nil
	}
	return nil, notRun(words[0], err)
}

// notRun says why a program does not run, with the exit code that shells have for that.
func notRun(name string, err error) error {
	var execution *exec.Error
	if errors.As(err, &execution) {
		err = execution.Err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	complain(fmt.Errorf("run: %s: %w", name, err))
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitStatus(exitNoProgram)
	}
	return exitStatus(exitNotRunnable)
}

// relay stands between the signals that we get and the command. Before there is one they end [relay.ctx], and after it that
// of [relay.rest].
type relay struct {
	ctx      context.Context
	terminal bool
	signals  chan os.Signal
	done     chan struct{}

	mu     sync.Mutex
	cancel context.CancelFunc
	first  syscall.Signal // that has ended ctx
	last   time.Time      // when the last one came
	child  *os.Process
	gone   bool // the command's part is over
}

func newRelay(parent context.Context) *relay {
	r := &relay{signals: make(chan os.Signal, 8), done: make(chan struct{}), terminal: hasTerminal()}
	r.ctx, r.cancel = context.WithCancel(parent)
	// What is ignored stays so, for the command too: nohup, and jobs in the background of a script.
	wanted := slices.DeleteFunc([]os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}, signal.Ignored)
	if len(wanted) > 0 { // none would mean all
		signal.Notify(r.signals, wanted...)
	}
	go func() {
		defer close(r.done)
		for s := range r.signals {
			r.handle(s.(syscall.Signal))
		}
	}()
	return r
}

// hasTerminal says whether there is a terminal that signals may come from, whatever our input and output are.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

func (r *relay) close() {
	signal.Stop(r.signals)
	close(r.signals)
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
}

// fromTerminal says whether a terminal sends such a signal by itself, to all of us.
func fromTerminal(s syscall.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGHUP
}

func (r *relay) handle(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	echo := time.Since(r.last) < bounce
	r.last = time.Now()
	switch {
	case r.child == nil && r.gone && echo: // of the one that has ended the command
	case r.child == nil:
		if s == syscall.SIGUSR1 || s == syscall.SIGUSR2 {
			return // they mean something to the command alone
		}
		if !r.gone && r.first == 0 {
			r.first = s
		}
		r.cancel()
	case !r.terminal:
		// The group has the number of its first process, which must not be another one by now.
		if r.child.Signal(syscall.Signal(0)) == nil {
			_ = syscall.Kill(-r.child.Pid, s)
		}
	case !fromTerminal(s):
		_ = r.child.Signal(s)
	}
}

// interrupted is the signal that came before there was a command to have it; 0 for none.
func (r *relay) interrupted() syscall.Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// rest is the context of what is to be done in the end. Another signal ends it.
func (r *relay) rest() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
	r.gone = true
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx))
	r.cancel = cancel
	return ctx
}

// run runs a program to its end. Its exit code is the error, but for 0.
func (r *relay) run(p *program, env []string) error {
	cmd := &exec.Cmd{Path: p.path, Args: p.args, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if !r.terminal {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	if err := r.start(cmd); err != nil {
		return err
	}
	err := cmd.Wait()
	r.mu.Lock()
	r.child, r.gone = nil, true
	r.mu.Unlock()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if state := exit.Sys().(syscall.WaitStatus); state.Signaled() {
		return exitStatus(exitSignalled + int(state.Signal()))
	}
	return exitStatus(exit.ExitCode())
}

func (r *relay) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return notRun(cmd.Args[0], err)
	}
	r.child = cmd.Process
	return nil
}
