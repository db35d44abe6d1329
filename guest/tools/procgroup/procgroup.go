// Package procgroup runs a few programs that live and die together.
//
// Each program leads a process group of its own. When one ends, or the owner asks, all groups are ended: the polite signal
// first, SIGKILL after a grace period, to the group and not only to its leader, so that no grandchild is left that keeps
// a port. Should the owner itself be killed, the kernel kills the leaders.
package procgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Program is what [Group.Start] runs. Its output goes to the owner's.
type Program struct {
	Name       string
	Args       []string // Args[0] is the path of the binary
	Env        []string
	Dir        string
	Credential *syscall.Credential // nil: the owner's user
	Gate       *os.File            // nil, or a file that the program finds as descriptor 3
}

// Exit says how a program ended.
type Exit struct {
	Name string
	Code int // the exit code, or 128 plus the number of the signal that ended the program
}

// Group is a set of running programs. Make it with [New]. Its methods are for one goroutine.
type Group struct {
	exits   chan Exit
	leaders []int
	alive   int
	wait    sync.WaitGroup
}

// MaxPrograms is how many programs a group may have.
const MaxPrograms = 8

// New returns a group without programs.
func New() *Group { return &Group{exits: make(chan Exit, MaxPrograms)} }

// Start runs p. An error means that it does not run.
func (g *Group) Start(p Program) error {
	if len(g.leaders) == MaxPrograms {
		return fmt.Errorf("procgroup: %s: at most %d programs", p.Name, MaxPrograms)
	}
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Env, cmd.Dir = p.Env, p.Dir
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if p.Gate != nil {
		cmd.ExtraFiles = []*os.File{p.Gate}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: p.Credential}
	started := make(chan error)
	g.wait.Go(func() {
		// The kernel sends Pdeathsig when the thread that started the program ends: keep it until the program has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			g.exits <- Exit{p.Name, exitCode(cmd.Wait())}
		}
	})
	if err := <-started; err != nil {
		return fmt.Errorf("procgroup: %s: %w", p.Name, err)
	}
	g.leaders = append(g.leaders, cmd.Process.Pid)
	g.alive++
	return nil
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// Exited gives the end of each program that ends by itself. Whoever takes a value from it must call [Group.Reaped].
func (g *Group) Exited() <-chan Exit { return g.exits }

// Reaped notes that an end has been taken from [Group.Exited].
func (g *Group) Reaped() { g.alive-- }

// Signal sends sig to every group.
func (g *Group) Signal(sig syscall.Signal) {
	for _, pid := range g.leaders {
		_ = syscall.Kill(-pid, sig) // ESRCH: that group has ended
	}
}

// Stop ends all programs and what they have started: sig, then SIGKILL for what is left after grace. It returns when the
// leaders have been waited for.
func (g *Group) Stop(sig syscall.Signal, grace time.Duration) {
	g.Signal(sig)
	late := time.NewTimer(grace)
	defer late.Stop()
	for g.alive > 0 {
		select {
		case <-g.exits:
			g.alive--
		case <-late.C:
			g.Signal(syscall.SIGKILL)
		}
	}
	g.Signal(syscall.SIGKILL)
	g.wait.Wait()
}
