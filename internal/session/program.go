package session

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// running is a program that runs. It leads a session of processes.
type running struct {
	in  io.Writer
	out io.Reader
	err io.Reader // nil on a terminal

	files    []*os.File // our ends
	terminal *terminal  // nil without one
	pid      int
	ended    chan struct{}
	exit     Exit // once it has ended
}

// start runs a program.
func start(p Program) (*running, error) {
	cmd, err := command(p)
	if err != nil {
		return nil, err
	}
	r := &running{ended: make(chan struct{})}
	theirs, err := r.connect(cmd, p.Terminal)
	if err == nil {
		err = r.start(cmd)
	}
	for _, f := range theirs {
		_ = f.Close() // the program has its own
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// command is a program with what it has of the guest. Where nobody has set them, it gets what a shell expects.
func command(p Program) (*exec.Cmd, error) {
	cmd := exec.Command(p.Path, p.Args...)
	if p.Path == "" {
		shell := loginShell("/etc/passwd")
		cmd = exec.Command(shell, p.Args...)
		cmd.Args[0] = "-" + filepath.Base(shell) // as login does it
	}
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	cmd.Dir, cmd.Env = "/", os.Environ()
	home, ok := os.LookupEnv("HOME")
	if !ok || home == "/" {
		home = "/root"
		cmd.Env = append(cmd.Env, "HOME="+home)
	}
	if p.Path == "" {
		if info, err := os.Stat(home); err == nil && info.IsDir() {
			cmd.Dir = home
		}
		cmd.Env = append(cmd.Env, "SHELL="+cmd.Path, "USER=root", "LOGNAME=root")
	}
	if p.Terminal != nil {
		cmd.Env = append(cmd.Env, "TERM="+p.Terminal.Type)
	}
	return cmd, nil
}

// loginShell is the shell of root, by a file of users.
func loginShell(users string) string {
	const usual = "/bin/sh"
	f, err := os.Open(users)
	if err != nil {
		return usual
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 7 && fields[0] == "root" && filepath.IsAbs(fields[6]) {
			return fields[6]
		}
	}
	return usual
}

// connect gives a program its streams. What it returns are the program's ends.
func (r *running) connect(cmd *exec.Cmd, t *Terminal) (theirs []*os.File, err error) {
	cmd.SysProcAttr = attributes()
	cmd.SysProcAttr.Setsid = true
	if t != nil {
		ours, theirs, err := openTerminal()
		if err != nil {
			return nil, err
		}
		r.files = []*os.File{ours}
		r.terminal = &terminal{File: ours}
		r.in, r.out = r.terminal, r.terminal
		r.resize(t.Size)
		cmd.SysProcAttr.Setctty = true
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
		return []*os.File{theirs}, nil
	}
	var pipes [3]struct{ read, write *os.File }
	for n := range pipes {
		if pipes[n].read, pipes[n].write, err = os.Pipe(); err != nil {
			return theirs, err
		}
		ours, its := pipes[n].read, pipes[n].write
		if n == 0 {
			ours, its = its, ours
		}
		r.files, theirs = append(r.files, ours), append(theirs, its)
	}
	r.in, r.out, r.err = r.files[0], r.files[1], r.files[2]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	return theirs, nil
}

// start starts it, on a thread that is kept for as long as it runs: its end may be the program's (see attributes).
func (r *running) start(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			r.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait()
		r.exit = exitOf(cmd.ProcessState)
		close(r.ended)
	}()
	return <-started
}

func exitOf(s *os.ProcessState) Exit {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return Exit{Signal: int(status.Signal())}
	}
	return Exit{Code: s.ExitCode()}
}

func (r *running) resize(s Size) {
	if r.terminal != nil {
		r.terminal.resize(s)
	}
}

// endInput tells the program that there is no more input. On a terminal that is a key of the user's.
func (r *running) endInput() {
	if r.terminal == nil {
		_ = r.files[0].Close()
	}
}

// hangUp follows the program's end: what it has left behind on its terminal does not hold the session up, as it would on a pipe.
func (r *running) hangUp() {
	if r.terminal != nil {
		r.terminal.drain()
	}
}

// killGrace is how long what is ended may take to do so by itself.
const killGrace = 2 * time.Second

// kill ends the program and what it has begun. It returns when the program has ended.
func (r *running) kill() {
	r.close() // on a terminal, that is a hangup
	signalSession(r.pid, syscall.SIGHUP)
	late := time.NewTimer(killGrace)
	defer late.Stop()
	select {
	case <-r.ended:
	case <-late.C:
	}
	signalSession(r.pid, syscall.SIGKILL)
	<-r.ended
}

func (r *running) close() {
	for _, f := range r.files {
		_ = f.Close()
	}
}
