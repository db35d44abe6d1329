package services

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/containertest"
	"github.com/stackemu/stackemu/guest/tools/inforce"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
)

func TestMain(m *testing.M) {
	if part := os.Getenv(role); part != "" {
		os.Exit(play(part))
	}
	goleak.VerifyTestMain(m)
}

// write puts an environment into the directory that guest and container share.
func write(t *testing.T, l container.Layout, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.RunDir, stackenv.EnvFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tell is the entry point: it has started with what is in the environment's files, and says so.
func tell(t *testing.T, l container.Layout) {
	digest, err := inforce.Digest(l.RunDir)
	if err != nil {
		t.Error(err)
	}
	inforce.Tell(l.RunDir, digest)
}

// running is a container with services.
func running(t *testing.T) (container.Layout, *containertest.Container, *containertest.Supervisord) {
	t.Helper()
	l := containertest.Layout(t)
	write(t, l, "A=1\n")
	c, s := start(t, l)
	return l, c, s
}

func start(t *testing.T, l container.Layout) (*containertest.Container, *containertest.Supervisord) {
	t.Helper()
	c := containertest.Start(t, l)
	s := containertest.NewSupervisord(stackApp, cronJobs)
	s.OnStart = func(program string) {
		if program == stackApp {
			tell(t, l)
		}
	}
	s.Listen(t, c.Socket)
	return c, s
}

var once = []string{"stopProcess", "startProcess"}

func TestRestart(t *testing.T) {
	l, _, s := running(t)
	for range 2 {
		if err := Restart(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{stackApp, cronJobs} {
		if calls := s.Calls(program); !slices.Equal(calls, append(slices.Clone(once), once...)) {
			t.Errorf("%s: calls = %q", program, calls)
		}
	}
	if left, err := os.ReadDir(l.RunDir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// It is not the start of the program that counts but what it says when its gate is open: the database may be long in coming.
func TestRestartWaitsForTheEnvironmentToBeInForce(t *testing.T) {
	l, _, s := running(t)
	started, databaseIsUp := make(chan struct{}), make(chan struct{})
	s.OnStart = func(program string) {
		if program != stackApp {
			return
		}
		inforce.Tell(l.RunDir, "of one that was started too early")
		close(started)
		<-databaseIsUp
		tell(t, l)
	}
	done := make(chan error, 1)
	go func() { done <- Restart(t.Context(), l) }()
	<-started
	select {
	case err := <-done:
		t.Fatalf("it has not waited: %v", err)
	default:
	}
	close(databaseIsUp)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNothingRuns(t *testing.T) {
	for name, l := range map[string]func(*testing.T) container.Layout{
		"no container": containertest.Layout,
		"crun is writing its status": func(t *testing.T) container.Layout {
			l := containertest.Layout(t)
			containertest.Status(t, l, `{"pid":`)
			return l
		},
		"it has ended, and crun has not noticed": func(t *testing.T) container.Layout {
			l := containertest.Layout(t)
			c := containertest.Start(t, l)
			c.Kill()
			return l
		},
		"supervisord does not listen yet": func(t *testing.T) container.Layout {
			l := containertest.Layout(t)
			containertest.Start(t, l)
			return l
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Restart(t.Context(), l(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRestartFails(t *testing.T) {
	t.Run("a program is not known", func(t *testing.T) {
		l, _, s := running(t)
		s.Refuse(containertest.BadName)
		if err := Restart(t.Context(), l); err == nil || !strings.Contains(err.Error(), stackApp) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("stack-app does not come up", func(t *testing.T) {
		l, _, s := running(t)
		s.OnStart = func(string) {}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := Restart(ctx, l); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("no place for a listener", func(t *testing.T) {
		l, _, _ := running(t)
		l.RunDir += "/absent"
		if err := Restart(t.Context(), l); err == nil {
			t.Error("no error")
		}
	})
}

// A container that ends is of no concern, wherever the restart was: in the stop, in the start, or waiting.
func TestContainerEndsMeanwhile(t *testing.T) {
	for name, when := range map[string]func(*containertest.Supervisord, func()){
		"while the programs are stopped": func(s *containertest.Supervisord, end func()) { s.OnStop = func(string) { end() } },
		"while they start":               func(s *containertest.Supervisord, end func()) { s.OnStart = func(string) { end() } },
	} {
		t.Run(name, func(t *testing.T) {
			l, c, s := running(t)
			when(s, c.End)
			if err := Restart(t.Context(), l); err != nil {
				t.Error(err)
			}
		})
		t.Run(name+" and supervisord breaks off first", func(t *testing.T) {
			l, c, s := running(t)
			when(s, func() {
				s.Close()
				c.End()
			})
			if err := Restart(t.Context(), l); err != nil {
				t.Error(err)
			}
		})
		t.Run(name+" and another one starts", func(t *testing.T) {
			l, c, s := running(t)
			var next atomic.Pointer[containertest.Supervisord]
			var again sync.Once
			when(s, func() {
				again.Do(func() {
					_, s := start(t, l)
					next.Store(s)
					c.End()
				})
			})
			if err := Restart(t.Context(), l); err != nil {
				t.Error(err)
			}
			if s := next.Load(); s == nil || !slices.Equal(s.Calls(stackApp), once) {
				t.Error("the services of the second container were not restarted")
			}
		})
	}
}

// While supervisord shuts down, what runs has the old environment: that is over with the container, and not before.
func TestRestartDuringAShutdown(t *testing.T) {
	l, c, s := running(t)
	s.Refuse(containertest.ShutdownState)
	done := make(chan error, 1)
	go func() { done <- Restart(t.Context(), l) }()
	for len(s.Calls(stackApp)) == 0 || len(s.Calls(cronJobs)) == 0 {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-done:
		t.Fatalf("it has not waited for the end of the container: %v", err)
	default:
	}
	c.End()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
