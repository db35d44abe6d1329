package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/containertest"
	"github.com/stackemu/stackemu/guest/tools/inforce"
)

// The programs of the real supervisord are this binary again, told by a variable what to be. Each leads a group with a child in
// it, and both end when asked to, the child last.
const (
	role    = "SERVICES_TEST_ROLE"
	dirName = "SERVICES_TEST_DIR"
)

func play(part string) int {
	dir := os.Getenv(dirName)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if strings.HasSuffix(part, "-child") {
		note(dir, strings.TrimSuffix(part, "-child"))
		<-signals
		return 0
	}
	note(dir, part)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), role+"="+part+"-child")
	if err := child.Start(); err != nil {
		return 1
	}
	if part == stackApp {
		digest, err := inforce.Digest(dir + "/run")
		if err != nil {
			return 1
		}
		go func() {
			waitFor(dir + "/database")
			inforce.Tell(dir+"/run", digest)
		}()
	}
	<-signals
	if part == stackApp {
		_ = os.WriteFile(dir+"/ending", nil, 0o600)
		waitFor(dir + "/leave")
	}
	_ = child.Wait()
	return 0
}

// waitFor reads from a pipe that somebody will write to, or from an ordinary file.
func waitFor(path string) {
	if file, err := os.Open(path); err == nil {
		_, _ = file.Read(make([]byte, 1))
		_ = file.Close()
	}
}

// note adds this process to those that a program has had.
func note(dir, program string) {
	file, err := os.OpenFile(filepath.Join(dir, program+".pids"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fprintln(file, os.Getpid())
}

// pids are the processes that a program has had, the oldest first.
func pids(t *testing.T, l container.Layout, program string) []int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(l.RunDir), program+".pids"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var all []int
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	return all
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// eventually waits for what other processes do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

const config = `[unix_http_server]
file=%[1]s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=%[2]s/supervisord.pid
childlogdir=%[2]s
environment=SERVICES_TEST_DIR="%[2]s",GORACE="atexit_sleep_ms=0"
[program:stack-app]
command=%[3]s
environment=SERVICES_TEST_ROLE="stack-app"
autorestart=true
startretries=1000
stopwaitsecs=10
stopasgroup=true
killasgroup=true
[program:cron-jobs]
command=%[3]s
environment=SERVICES_TEST_ROLE="cron-jobs"
autorestart=true
startsecs=0
stopwaitsecs=5
stopasgroup=true
killasgroup=true
`

// supervise starts a real supervisord with the programs. The process that it runs as is the container's first one.
func supervise(t *testing.T) (container.Layout, *exec.Cmd) {
	t.Helper()
	binary, err := exec.LookPath("supervisord")
	if err != nil {
		if os.Getenv("STACKEMU_REQUIRE_SUPERVISORD") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Parallel() // supervisord looks up once a second
	l := containertest.Layout(t)
	dir := filepath.Dir(l.RunDir)
	write(t, l, "A=1\n")
	socket := filepath.Join(dir, "s")
	conf := fmt.Sprintf(config, socket, dir, os.Args[0])
	if err := errors.Join(os.WriteFile(dir+"/conf", []byte(conf), 0o600), os.WriteFile(dir+"/database", []byte("up"), 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-c", dir+"/conf")
	output := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); t.Failed() {
			t.Logf("supervisord: %v\n%s", err, output)
		}
	})
	place := filepath.Join(l.Root(cmd.Process.Pid), "run")
	err = errors.Join(os.MkdirAll(place, 0o755), os.Symlink(socket, filepath.Join(place, "supervisor.sock")))
	if err != nil {
		t.Fatal(err)
	}
	containertest.Status(t, l, fmt.Sprintf(`{"pid":%d}`, cmd.Process.Pid))
	for _, program := range []string{stackApp, cronJobs} {
		eventually(t, program+" with a child", func() bool { return len(pids(t, l, program)) == 2 })
	}
	return l, cmd
}

func TestWithSupervisord(t *testing.T) {
	t.Run("old processes are gone and new ones run", func(t *testing.T) {
		l, _ := supervise(t)
		for n := 1; n <= 2; n++ {
			write(t, l, fmt.Sprintf("A=%d\n", n+1))
			if err := Restart(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			for _, program := range []string{stackApp, cronJobs} {
				eventually(t, program+" with a child", func() bool { return len(pids(t, l, program)) == 2*(n+1) })
				for i, pid := range pids(t, l, program) {
					if alive(pid) != (i >= 2*n) {
						t.Errorf("%s: process %d of %v: alive = %v", program, i, pids(t, l, program), alive(pid))
					}
				}
			}
		}
	})
	t.Run("a restart that died half-way", func(t *testing.T) {
		l, _ := supervise(t)
		gate := closePipe(t, l, "database")
		first, die := context.WithCancel(t.Context())
		died := make(chan error, 1)
		go func() { died <- Restart(first, l) }()
		eventually(t, "a second stack-app", func() bool { return len(pids(t, l, stackApp)) == 4 })
		die()
		if err := <-died; !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v", err)
		}
		openPipe(t, gate)
		if err := Restart(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a restart that died while the old stack-app was ending", func(t *testing.T) {
		l, _ := supervise(t)
		leave := closePipe(t, l, "leave")
		first, die := context.WithCancel(t.Context())
		died := make(chan error, 1)
		go func() { died <- Restart(first, l) }()
		eventually(t, "the end of stack-app begins", exists(filepath.Join(filepath.Dir(l.RunDir), "ending")))
		die()
		if err := <-died; !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v", err)
		}
		again := make(chan error, 1)
		go func() { again <- Restart(t.Context(), l) }()
		eventually(t, "the second restart", exists(filepath.Join(l.RunDir, "in-force.sock")))
		openPipe(t, leave)
		if err := <-again; err != nil {
			t.Fatal(err)
		}
		for i, pid := range pids(t, l, stackApp) {
			if alive(pid) != (i >= 2) {
				t.Errorf("process %d of %v: alive = %v", i, pids(t, l, stackApp), alive(pid))
			}
		}
	})
	t.Run("the database comes up late", func(t *testing.T) {
		l, _ := supervise(t)
		gate := closePipe(t, l, "database")
		done := make(chan error, 1)
		go func() { done <- Restart(t.Context(), l) }()
		eventually(t, "a second stack-app", func() bool { return len(pids(t, l, stackApp)) == 4 })
		select {
		case err := <-done:
			t.Fatalf("it has not waited: %v", err)
		default:
		}
		openPipe(t, gate)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("it shuts down meanwhile", func(t *testing.T) {
		l, cmd := supervise(t)
		closePipe(t, l, "database")
		done := make(chan error, 1)
		go func() { done <- Restart(t.Context(), l) }()
		eventually(t, "a second stack-app", func() bool { return len(pids(t, l, stackApp)) == 4 })
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		if err := errors.Join(err, os.RemoveAll(filepath.Join(l.State, container.Name)), <-done); err != nil {
			t.Error(err)
		}
		for _, pid := range pids(t, l, stackApp) {
			if alive(pid) {
				t.Error("a process is left")
			}
		}
	})
}

func exists(path string) func() bool {
	return func() bool {
		_, err := os.Stat(path)
		return err == nil
	}
}

// closePipe makes the next stack-app wait for its database, or before it ends.
func closePipe(t *testing.T, l container.Layout, name string) (pipe string) {
	t.Helper()
	pipe = filepath.Join(filepath.Dir(l.RunDir), name)
	if err := errors.Join(os.RemoveAll(pipe), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	return pipe
}

// openPipe lets it through, and all that come after it.
func openPipe(t *testing.T, path string) {
	t.Helper()
	pipe, err := os.OpenFile(path, os.O_RDWR, 0) // which does not wait for a reader
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if _, err := pipe.WriteString("up"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte("up"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
