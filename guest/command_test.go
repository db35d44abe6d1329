package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunnerShowsTheEndOfWhatWasSaid(t *testing.T) {
	var log bytes.Buffer
	err := newRunner(&log)(t.Context(), "sh", "-c", "echo out; echo first >&2; echo last >&2; exit 3")
	if err == nil || err.Error() != "sh: exit status 3:\nfirst\nlast" {
		t.Errorf("%v", err)
	}
	if !strings.Contains(log.String(), "+ /") || !strings.Contains(log.String(), "out\n") {
		t.Errorf("log %q", log.String())
	}
	if err := newRunner(io.Discard)(t.Context(), "no-such-program"); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("%v", err)
	}
}

// What we run may run mke2fs itself, as unshare does for an ordinary user.
func TestProgramsFindThoseOfAdministrators(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	var log bytes.Buffer
	if err := newRunner(&log)(t.Context(), "sh", "-c", "echo path=$PATH"); err != nil || !strings.Contains(log.String(), "path=/usr/bin:/bin:/usr/sbin:/sbin\n") {
		t.Errorf("%v: %s", err, log.String())
	}
}

// TestCancelEndsTheWholeGroup starts a shell whose child ignores what its parent does.
func TestCancelEndsTheWholeGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	note := filepath.Join(t.TempDir(), "pid")
	ended := make(chan error)
	go func() {
		ended <- newRunner(io.Discard)(ctx, "sh", "-c", "sh -c 'echo $$ >"+note+".new; mv "+note+".new "+note+"; sleep 60'; true")
	}()
	pid := waitForPID(t, note)
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error after the end of the context")
	}
	for end := time.Now().Add(5 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(5 * time.Millisecond) {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(state), ") Z ") {
			break // dead; it only waits to be reaped
		}
		if time.Now().After(end) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

func waitForPID(t *testing.T, path string) int {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("nothing was started")
	return 0
}

func TestGroupPipes(t *testing.T) {
	g, ctx := newGroup(t.Context())
	from := g.output(ctx, command(ctx, "printf", "abc"), io.Discard)
	path := filepath.Join(t.TempDir(), "out")
	to := g.input(ctx, command(ctx, "sh", "-c", "cat >"+path), io.Discard)
	g.do(func() error {
		_, err := io.Copy(to, from)
		return errors.Join(err, to.Close())
	})
	if err := g.wait(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "abc" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestGroupFailure lets each side of a pipe fail while the other would go on for ever.
func TestGroupFailure(t *testing.T) {
	cases := map[string][2]string{
		"the reader": {"yes", "exit 3"},
		"the writer": {"echo no mirror >&2; exit 4", "cat >/dev/null; sleep 60"},
	}
	for name, scripts := range cases {
		t.Run(name, func(t *testing.T) {
			g, ctx := newGroup(t.Context())
			from := g.output(ctx, command(ctx, "sh", "-c", scripts[0]), io.Discard)
			to := g.input(ctx, command(ctx, "sh", "-c", scripts[1]), io.Discard)
			g.do(func() error {
				_, err := io.Copy(to, from)
				return errors.Join(err, to.Close())
			})
			if err := g.wait(); err == nil || !strings.Contains(err.Error(), "exit status") {
				t.Errorf("%v, want the exit status", err)
			}
		})
	}
}
