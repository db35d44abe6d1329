// Package containertest is a container for tests: a first process that is alive or not, and a supervisord in it that answers
// as the real one does.
package containertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/container"
)

// Layout makes the places of a guest in a directory of their own. Its name is short: a socket's path has 107 bytes at most.
func Layout(t *testing.T) container.Layout {
	t.Helper()
	dir, err := os.MkdirTemp("", "ct")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := container.Layout{RunDir: dir + "/run", State: dir + "/crun", Proc: dir + "/proc", HostDir: dir + "/host"}
	makeDir(t, l.RunDir)
	return l
}

// Container is a container that runs until End.
type Container struct {
	PID             int
	Socket          string // of its supervisord
	layout          container.Layout
	first           *exec.Cmd
	killing, ending sync.Once
}

// Start starts a container, and has crun say so. It ends with the test.
func Start(t *testing.T, l container.Layout) *Container {
	t.Helper()
	first := exec.Command("cat")
	if _, err := first.StdinPipe(); err != nil { // it waits for input that does not come
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Container{PID: first.Process.Pid, layout: l, first: first}
	t.Cleanup(c.End)
	c.Socket = filepath.Join(l.Root(c.PID), "run/supervisor.sock")
	makeDir(t, filepath.Dir(c.Socket))
	Status(t, l, fmt.Sprintf(`{"pid":%d,"owner":"root"}`, c.PID))
	return c
}

// Status writes what crun knows of the container.
func Status(t *testing.T, l container.Layout, text string) {
	t.Helper()
	path := filepath.Join(l.State, container.Name, "status")
	makeDir(t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the first process. crun still takes it to be alive.
func (c *Container) Kill() {
	c.killing.Do(func() {
		_ = c.first.Process.Kill()
		_ = c.first.Wait() // killed
	})
}

// End ends the container as a stop does: its processes, then what crun knows of it.
func (c *Container) End() {
	c.ending.Do(func() {
		c.Kill()
		_ = os.RemoveAll(filepath.Join(c.layout.Proc, strconv.Itoa(c.PID)))
		path := filepath.Join(c.layout.State, container.Name)
		if pid, err := c.layout.Running(context.Background()); err == nil && pid == c.PID {
			_ = os.RemoveAll(path)
		}
	})
}

func makeDir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}
