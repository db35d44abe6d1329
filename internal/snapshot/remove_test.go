package snapshot_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
)

func TestHeldIsNotRemoved(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	publish(t, s, parts)
	sn, err := snapshot.Open(dir).Find(parts)
	check(t, err)
	var held *snapshot.HeldError
	if err := s.Remove(parts.Key()); !errors.As(err, &held) || held.Key != parts.Key() {
		t.Errorf("got %v, want that it is held", err)
	}
	for _, dry := range []bool{true, false} {
		p, err := s.Prune(func(snapshot.Manifest) bool { return false }, dry)
		if err != nil || p.Removed != nil || len(p.Held) != 1 || p.Held[0].Key != parts.Key() {
			t.Errorf("got %+v, %v, want nothing to be removed", p, err)
		}
	}
	find(t, s, parts)
	check(t, errors.Join(sn.Close(), sn.Close()))
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	publish(t, s, parts)
	publish(t, s, mapped)
	check(t, s.Remove(parts.Key()))
	var none *snapshot.NoneError
	for _, key := range []string{parts.Key(), "", "..", mapped.Key() + ".1"} {
		if err := s.Remove(key); !errors.As(err, &none) {
			t.Errorf("remove %q: %v", key, err)
		}
	}
	if err := snapshot.Open(filepath.Join(dir, "none")).Remove(parts.Key()); !errors.As(err, &none) {
		t.Errorf("remove from no store: %v", err)
	}
	wantNone(t, s, parts, "format mapped-ram -> lazy")
	sn, err := s.Find(mapped)
	check(t, err)
	aside, err := s.SetAside(sn, errSilent)
	check(t, errors.Join(err, sn.Close()))
	check(t, s.Remove(filepath.Base(aside)))
	if got := names(t, dir); got != nil {
		t.Errorf("left are %q", got)
	}
}

// A host that has another QEMU now does not keep what the former one could resume, unless somebody has it.
func TestOutgrownIsRemoved(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	upgraded := with(func(p *snapshot.Parts) { p.QEMU = "QEMU emulator version 10.1.0" })
	bigger := with(func(p *snapshot.Parts) { p.Layout.RAMMiB = 32 })
	publish(t, s, parts)
	publish(t, s, bigger)
	publish(t, s, upgraded)
	var none *snapshot.NoneError
	if _, err := s.Find(parts); !errors.As(err, &none) {
		t.Errorf("what the former one could resume: %v", err)
	}
	find(t, s, bigger)

	held, err := s.Find(upgraded)
	check(t, err)
	publish(t, s, parts) // back again
	find(t, s, upgraded)
	check(t, held.Close())
}

func TestListAndPrune(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	for _, store := range []*snapshot.Store{s, snapshot.Open(filepath.Join(dir, "none"))} {
		if entries, err := store.List(); err != nil || len(entries) != 0 {
			t.Errorf("an empty store has %v, %v", entries, err)
		}
		if p, err := store.Prune(nil, false); err != nil || p.Removed != nil || p.Held != nil {
			t.Errorf("pruned %v, %v of an empty store", p, err)
		}
	}
	messUp(t, s, dir)
	entries, err := s.List()
	check(t, err)
	got := map[string]int{}
	for _, e := range entries {
		got[e.What]++
		if e.InUse != (e.What == "snapshot") || e.Held != (e.What == "replaced snapshot") {
			t.Errorf("got %+v", e)
		}
		if e.What != "unfinished capture" && (e.Bytes < 20*1024 || e.Bytes > 200*1024 || e.Manifest == nil) {
			t.Errorf("got %+v, want its manifest, and 16 to 200 KiB on the disk", e)
		}
	}
	if got["snapshot"] != 2 || got["broken snapshot"] != 1 || got["unfinished capture"] != 1 || got["replaced snapshot"] != 1 || len(entries) != 5 {
		t.Errorf("listed %v", got)
	}
	before := names(t, dir)
	for _, dry := range []bool{true, false} {
		p, err := s.Prune(func(m snapshot.Manifest) bool { return m.Parts.Format == snapshot.MappedRAM }, dry)
		check(t, err)
		if got := whatIn(p.Removed); got != "broken snapshot, snapshot, unfinished capture" {
			t.Errorf("dry %v: removed %s", dry, got)
		}
		if got := whatIn(p.Held); got != "replaced snapshot" {
			t.Errorf("dry %v: held are %s", dry, got)
		}
		if got := names(t, dir); dry && !slices.Equal(got, before) {
			t.Errorf("a dry run has left %q of %q", got, before)
		}
	}
	want := []string{mapped.Key(), mapped.Key() + ".1", mapped.Key() + ".2"} // the old one is held
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

func whatIn(entries []snapshot.Entry) string {
	var what []string
	for _, e := range entries {
		what = append(what, e.What)
	}
	slices.Sort(what)
	return strings.Join(what, ", ")
}

// messUp leaves one of everything: a snapshot, one that has replaced another that is still held, a broken one, a capture
// of the dead.
func messUp(t *testing.T, s *snapshot.Store, dir string) {
	publish(t, s, parts)
	sn, err := s.Find(parts)
	check(t, err)
	_, err = s.SetAside(sn, errSilent)
	check(t, err)
	closeIt(t, sn)
	publish(t, s, parts)
	publish(t, s, mapped)
	find(t, s, mapped)
	r := must(t)(s.Replace(within(t), mapped, nil))
	fill(t, r.Files(), mapped)
	finish(t, r)
	dead := reserve(t, s, with(func(p *snapshot.Parts) { p.Accel = "kvm" }))
	check(t, dead.Die())
}
