package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/status"
)

// limitEnv is how many descriptors a command may have open, and each process that it starts.
const limitEnv = "STACKEMU_TEST_DESCRIPTORS"

// limitDescriptors is called by the command before anything else.
func limitDescriptors() {
	n, err := strconv.ParseUint(os.Getenv(limitEnv), 10, 32)
	if err != nil {
		return
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

// limited has commands run with that few descriptors until the returned function is called.
func (e *emulator) limited(descriptors int) (unlimit func()) {
	env := e.env
	e.env = append(slices.Clone(env), fmt.Sprintf("%s=%d", limitEnv, descriptors))
	return func() { e.env = env }
}

// Whatever is the first thing for which there is no descriptor: a start says so and leaves nothing, or finds a way. The disk is
// that of the first start in the end.
func TestStartWithoutDescriptors(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.run(0, "start")
	key := e.rotated()
	e.run(0, "stop")
	const least, enough = 8, 256 // the Go runtime needs the first few
	failed := 0
	for n := least; ; n++ {
		unlimit := e.limited(n)
		c := e.start("start")
		code := c.End()
		unlimit()
		if code == 0 {
			break
		}
		failed++
		if code != exitFailed || n > enough || !regexp.MustCompile(`(?m)^stackemu: default: .*too many open files`).MatchString(c.Stderr()) {
			t.Fatalf("%d descriptors: exit code %d: %s", n, code, c.Stderr())
		}
		e.machines(0)
		e.nothingLeft()
	}
	if failed == 0 {
		t.Error("no start has failed")
	}
	e.machines(1)
	if now := e.rotated(); now != key {
		t.Errorf("the key was %s and is %s", key, now)
	}
	e.stopped("default")
}

// A supervisor that has no descriptor left answers nobody new, says why it cannot look after its services, and does nothing to
// its VM; it goes on when there are some again.
func TestSupervisorWithoutDescriptors(t *testing.T) {
	t.Parallel()
	const descriptors, triesToAccept = 64, 1000 // without pauses between them, there are many more
	e := newBackground(t, healthy)
	unlimit := e.limited(descriptors)
	e.run(0, "start")
	unlimit()
	key, before := e.rotated(), e.status(0, "default")

	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	defer leave()
	var greedy sync.WaitGroup
	for range descriptors + 1 { // more than it can answer: the rest waits in the socket's queue
		greedy.Go(func() {
			_ = control.NewClient(e.file("run/vm/control.sock")).Events(ctx, 0, func(now status.Event) error {
				if now.Kind == status.ServiceChanged && !now.Healthy && strings.Contains(now.Detail, "too many open files") {
					leave()
				}
				return nil
			})
		})
	}
	greedy.Wait()
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("nobody was told that it has no descriptors: %v", ctx.Err())
	}
	e.until("default", 0)
	if now := e.status(0, "default"); now.VM.PID != before.VM.PID || now.Supervisor.PID != before.Supervisor.PID {
		t.Errorf("it was %+v %+v and is %+v %+v", before.VM, before.Supervisor, now.VM, now.Supervisor)
	}
	if now := e.rotated(); now != key {
		t.Errorf("the key was %s and is %s", key, now)
	}
	text, err := os.ReadFile(e.file("run/vm/supervisor.log"))
	if tries := strings.Count(string(text), "Accept error"); err != nil || tries == 0 || tries > triesToAccept {
		t.Errorf("it has tried %d times to accept a connection, %v", tries, err)
	}
	e.stopped("default")
}
