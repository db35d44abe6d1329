package guest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// killDelay is how long a child may clean up after SIGTERM before it is killed.
const killDelay = 5 * time.Second

// runner runs a program of the host and waits for it.
type runner func(ctx context.Context, name string, args ...string) error

// newRunner returns a runner that appends what its programs print to log, from both of their streams.
func newRunner(log io.Writer) runner {
	log = &lockedWriter{w: log}
	return func(ctx context.Context, name string, args ...string) error {
		cmd := command(ctx, name, args...)
		cmd.Stdout = log
		return runCommand(cmd, log)
	}
}

// command prepares a program in its own process group: the end of ctx ends all of what it started, not just itself.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	path, err := lookProgram(name)
	if err != nil {
		path = name // running it tells
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+strings.Join(administrators, ":"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	return cmd
}

// administrators are the folders that an ordinary user's PATH may not have: mke2fs is an administrator's.
var administrators = []string{"/usr/sbin", "/sbin"}

// lookProgram finds a program where those that we run find theirs.
func lookProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range administrators {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	return path, err
}

// runCommand runs cmd; an error carries the last lines of its stderr, all of which also go to log.
func runCommand(cmd *exec.Cmd, log io.Writer) error {
	stderr := &tail{limit: 4096}
	cmd.Stderr = io.MultiWriter(stderr, log)
	fmt.Fprintf(log, "+ %s\n", strings.Join(cmd.Args, " "))
	err := cmd.Run()
	if cmd.Process != nil {
		// What the group left behind dies too; there is none after a success.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if err != nil {
		return fmt.Errorf("%s: %w%s", filepath.Base(cmd.Path), err, stderr.suffix())
	}
	return nil
}

// lockedWriter lets several programs write to one log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// tail keeps the last limit bytes that were written to it.
type tail struct {
	limit int
	data  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if len(t.data) > 2*t.limit {
		t.data = append(t.data[:0], t.data[len(t.data)-t.limit:]...)
	}
	return len(p), nil
}

func (t *tail) suffix() string {
	text := bytes.TrimSpace(t.data[max(0, len(t.data)-t.limit):])
	if len(text) == 0 {
		return ""
	}
	return ":\n" + string(text)
}
