package snapshot_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
)

var errSilent = errors.New("no sign of life")

func TestSetAside(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	publish(t, s, parts)
	sn := find(t, s, parts)
	path, err := s.SetAside(sn, errSilent)
	check(t, err)
	if got := names(t, dir); len(got) != 1 || filepath.Join(dir, got[0]) != path || sn.Dir != path {
		t.Errorf("left are %q, set aside to %q, held in %q", got, path, sn.Dir)
	}
	if text, err := os.ReadFile(filepath.Join(path, "cause")); string(text) != errSilent.Error()+"\n" {
		t.Errorf("the cause is %q, %v", text, err)
	}
	if again, err := s.SetAside(sn, errSilent); err != nil || again != "" {
		t.Errorf("again: %q, %v", again, err)
	}
	wantNone(t, s, parts, "")
}

// What a VM runs on keeps its name until nobody has it any more: its RAM is read by that when it is saved.
func TestSetAsideOfTheHeld(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	publish(t, s, parts)
	sn, err := s.Find(parts)
	check(t, err)
	other, err := s.Find(parts)
	check(t, err)
	path, err := s.SetAside(sn, errSilent)
	check(t, errors.Join(err, sn.Close()))
	if path != other.Dir || filepath.Base(path) != parts.Key()+".1" {
		t.Errorf("set aside to %q, held in %q", path, other.Dir)
	}
	if _, err := os.Stat(other.Files().RAM); err != nil {
		t.Error(err)
	}
	wantNone(t, s, parts, "")
	if entries, err := s.List(); err != nil || len(entries) != 1 || entries[0].What != "broken snapshot" || entries[0].InUse {
		t.Errorf("listed %+v, %v", entries, err)
	}
	publish(t, s, parts)
	closeIt(t, other)
	publish(t, s, mapped) // sweeps
	entries, err := s.List()
	check(t, err)
	broken := ""
	for _, e := range entries {
		if e.What == "broken snapshot" {
			broken = e.Name
		}
	}
	if !strings.Contains(broken, ".broken-") || len(entries) != 3 {
		t.Errorf("listed %+v", entries)
	}
	find(t, s, parts)
}

// Who holds a replaced snapshot must not take the new one out of use.
func TestSetAsideOfTheReplaced(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	publish(t, s, parts)
	old := find(t, s, parts)
	r := must(t)(s.Replace(within(t), parts, nil))
	fill(t, r.Files(), parts)
	finish(t, r)
	if path, err := s.SetAside(old, errSilent); err != nil || path != "" {
		t.Errorf("got %q, %v", path, err)
	}
	for range 3 {
		if _, err := s.Strike(old, errSilent); err != nil {
			t.Error(err)
		}
	}
	find(t, s, parts)
}

func TestFewBrokenOnesAreKept(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	var paths []string
	for range 4 {
		publish(t, s, parts)
		sn, err := s.Find(parts)
		check(t, err)
		path, err := s.SetAside(sn, errSilent)
		check(t, err)
		closeIt(t, sn)
		paths = append(paths, filepath.Base(path))
	}
	publish(t, s, parts)
	got := strings.Join(names(t, dir), " ")
	if want := strings.Join([]string{parts.Key(), parts.Key() + ".1", paths[2], paths[3]}, " "); got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

func TestThreeStrikes(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	publish(t, s, parts)
	sn := find(t, s, parts)
	strike := func(want bool) {
		t.Helper()
		if retired, err := s.Strike(sn, errSilent); err != nil || retired != want {
			t.Fatalf("got %v, %v, want %v", retired, err, want)
		}
	}
	strike(false)
	strike(false)
	check(t, errors.Join(s.Forgive(sn), s.Forgive(sn)))
	strike(false)
	write(t, filepath.Join(sn.Dir, "strikes"), []byte("garbage")) // counts as none
	strike(false)
	strike(false)
	find(t, s, parts)
	strike(true)
	wantNone(t, s, parts, "")
	entries, err := s.List()
	if err != nil || len(entries) != 1 || entries[0].Cause != "failed to resume 3 times: no sign of life" {
		t.Errorf("got %+v, %v", entries, err)
	}
}

func FuzzStrikes(f *testing.F) {
	f.Add([]byte(`[{"time":"2026-01-02T03:04:05Z","cause":"x"}]`))
	f.Add([]byte(`[`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		check(t, os.WriteFile(filepath.Join(dir, "strikes"), text, 0o600))
		if got := len(snapshot.ReadStrikes(dir)); got > len(text) {
			t.Errorf("%d strikes in %q", got, text)
		}
	})
}
