package snapshot_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// Captures under one key become one, however many ask.
func TestManyReserve(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	captured := make(chan *snapshot.Reservation, 8)
	dirs := make(chan string, 8)
	for range 8 {
		group.Go(func() {
			r, sn, err := snapshot.Open(dir).Reserve(within(t), parts, nil)
			switch {
			case err != nil || (r == nil) == (sn == nil):
				t.Errorf("got %v, %v, %v", r, sn, err)
				return
			case r != nil:
				captured <- r
				fill(t, r.Files(), parts)
				if sn, err = r.Publish(within(t), about); err != nil {
					t.Error(err)
					return
				}
			}
			dirs <- sn.Dir
			closeIt(t, sn)
		})
	}
	group.Wait()
	close(dirs)
	if len(captured) != 1 {
		t.Errorf("%d have captured", len(captured))
	}
	for got := range dirs {
		if want := filepath.Join(dir, parts.Key()+".1"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWaitEndsWithTheContext(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	r := reserve(t, s, parts)
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("had enough")
	_, _, err := s.Reserve(ctx, parts, func() { cancel(reason) })
	if !errors.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
	other := reserve(t, s, mapped) // another key waits for nobody
	check(t, errors.Join(r.Abandon(), other.Abandon(), other.Abandon()))
	if got := names(t, filepath.Dir(r.Dir)); got != nil {
		t.Errorf("left over: %q", got)
	}
}

func TestAbandonLetsTheNextOneCapture(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	first := reserve(t, s, parts)
	fill(t, first.Files(), parts)
	second := must(t)(s.Reserve(within(t), parts, func() { check(t, first.Abandon()) }))
	fill(t, second.Files(), parts)
	finish(t, second)
	find(t, s, parts)
}

// The right to capture dies with its holder, and what it has left is removed.
func TestCaptureOfTheDead(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	dead := reserve(t, s, parts)
	fill(t, dead.Files(), parts)
	check(t, dead.Die())
	wantNone(t, s, parts, "")
	r := reserve(t, s, parts)
	if _, err := os.Stat(dead.Dir); err == nil {
		t.Error("the dead capture is still there")
	}
	fill(t, r.Files(), parts)
	finish(t, r)
	find(t, s, parts)
}

// capture is the other process: it reserves, tells so, and publishes when it is told to.
func capture(dir string) {
	r, sn, err := snapshot.Open(dir).Reserve(context.Background(), parts, func() { fmt.Println("waiting") })
	if err == nil && sn != nil {
		fmt.Println("found", sn.Dir)
		os.Exit(0)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("reserved", r.Dir)
	_, _ = io.ReadAll(os.Stdin)
	os.Exit(0)
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	other := another(t, dir)
	out, err := other.StdoutPipe()
	check(t, err)
	_, err = other.StdinPipe() // never closed: it captures until it is killed
	check(t, err)
	check(t, other.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	if !strings.HasPrefix(line, "reserved") {
		t.Fatalf("the other process says %q", line)
	}
	waited := false
	r, _, err := s.Reserve(within(t), parts, func() {
		waited = true
		check(t, other.Process.Kill())
		_ = other.Wait()
	})
	check(t, err)
	if !waited {
		t.Error("did not wait for the other process")
	}
	fill(t, r.Files(), parts)
	third := another(t, dir)
	text := make(chan string)
	out, err = third.StdoutPipe()
	check(t, err)
	check(t, third.Start())
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "waiting\n" {
		t.Errorf("the third process says %q, %v", line, err)
	}
	go func() { line, _ := lines.ReadString('\n'); text <- line }()
	finish(t, r)
	if got, want := <-text, "found "+filepath.Join(dir, parts.Key()+".1")+"\n"; got != want {
		t.Errorf("the third process says %q, want %q", got, want)
	}
	check(t, third.Wait())
}

// A crash between any two steps of publishing leaves the old snapshot or the new one, and garbage that goes away.
func TestCrashWhilePublishing(t *testing.T) {
	for _, replace := range []bool{false, true} {
		if testing.Short() && !replace {
			continue
		}
		for steps := range snapshot.CaptureSteps + snapshot.StoreSteps + 1 {
			t.Run(fmt.Sprintf("%d steps, replace %v", steps, replace), func(t *testing.T) {
				t.Parallel()
				crash(t, steps, replace)
			})
		}
	}
}

func crash(t *testing.T, steps int, replace bool) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	first := parts.Key() + ".1"
	if replace {
		publish(t, s, parts)
	}
	r := must(t)(s.Replace(within(t), parts, nil))
	fill(t, r.Files(), parts)
	check(t, r.PublishAndDie(about, steps))

	const swap = snapshot.CaptureSteps + snapshot.StoreSteps - 1
	want := first
	switch {
	case steps < swap && !replace:
		want = ""
		wantNone(t, s, parts, "")
	case steps >= swap && replace:
		want = parts.Key() + ".2"
	}
	if want != "" {
		if sn := find(t, s, parts); filepath.Base(sn.Dir) != want {
			t.Errorf("found %s, want %s", sn.Dir, want)
		}
	}
	other := with(func(p *snapshot.Parts) { p.Accel = "kvm" })
	publish(t, s, other) // whoever comes next sweeps
	left := []string{other.Key(), other.Key() + ".1"}
	if want != "" {
		left = append(left, parts.Key(), want)
	}
	slices.Sort(left)
	if got := names(t, dir); !slices.Equal(got, left) {
		t.Errorf("left are %q, want %q", got, left)
	}
}

// A replaced snapshot stays whole for those that hold it, and goes when the last of them does.
func TestReplaceDisturbsNobody(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	publish(t, s, parts)
	old, err := s.Find(parts)
	check(t, err)
	r := must(t)(s.Replace(within(t), parts, nil))
	if _, sn, err := s.Reserve(within(t), parts, nil); err != nil || sn == nil || sn.Dir != old.Dir {
		t.Errorf("while it is captured anew: %v, %v, want the old one", sn, err)
	} else {
		closeIt(t, sn)
	}
	fill(t, r.Files(), parts)
	finish(t, r)
	if text, err := os.ReadFile(old.Files().State); err != nil || len(text) == 0 {
		t.Errorf("the holder of the old one reads %q, %v", text, err)
	}
	now := find(t, s, parts)
	if now.Dir == old.Dir {
		t.Error("the old snapshot is still in use")
	}
	closeIt(t, old)
	_, err = s.Prune(func(snapshot.Manifest) bool { return true }, false)
	check(t, err)
	if _, err := os.Stat(old.Dir); err == nil {
		t.Error("the old snapshot is still there")
	}
}

// Who wanted a new snapshot takes the one that another process has captured meanwhile.
func TestReplaceTakesANewerOne(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	publish(t, s, parts)
	r := must(t)(s.Replace(within(t), parts, nil))
	fill(t, r.Files(), parts)
	_, sn, err := s.Replace(within(t), parts, func() { finish(t, r) })
	if err != nil || sn == nil {
		t.Fatalf("got %v, %v, want the new one", sn, err)
	}
	if want := parts.Key() + ".2"; filepath.Base(sn.Dir) != want {
		t.Errorf("got %s, want %s", sn.Dir, want)
	}
	closeIt(t, sn)
}

// A capture that went wrong is not published, and what was there stays.
func TestBadCaptures(t *testing.T) {
	for what, spoil := range map[string]func(f snapshot.Files) error{
		"no state":        func(f snapshot.Files) error { return os.Remove(f.State) },
		"empty state":     func(f snapshot.Files) error { return os.Truncate(f.State, 0) },
		"short RAM":       func(f snapshot.Files) error { return os.Truncate(f.RAM, 64*mib) },
		"no disk":         func(f snapshot.Files) error { return os.Remove(f.Disk) },
		"disk of no form": func(f snapshot.Files) error { return os.Truncate(f.Disk, 10) },
		"no base":         func(f snapshot.Files) error { return os.Remove(f.Base) },
		"linked RAM":      func(f snapshot.Files) error { return errors.Join(os.Remove(f.RAM), os.Symlink(f.Disk, f.RAM)) },
	} {
		dir := t.TempDir()
		s := snapshot.Open(dir)
		publish(t, s, parts)
		r := must(t)(s.Replace(within(t), parts, nil))
		fill(t, r.Files(), parts)
		check(t, spoil(r.Files()))
		if sn, err := r.Publish(within(t), about); err == nil {
			t.Errorf("%s: published %v", what, sn)
		}
		check(t, r.Abandon())
		find(t, s, parts)
		if got := names(t, dir); len(got) != 2 {
			t.Errorf("%s: left are %q", what, got)
		}
	}
}

func TestPublishEndsWithTheContext(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	r := reserve(t, s, parts)
	fill(t, r.Files(), parts)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Publish(ctx, about); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	check(t, r.Abandon())
	wantNone(t, s, parts, "")
}
