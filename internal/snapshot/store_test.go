package snapshot_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

func TestPublishAndFind(t *testing.T) {
	for _, p := range []snapshot.Parts{parts, mapped} {
		t.Run(string(p.Format), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "snapshots")
			s := snapshot.Open(dir)
			wantNone(t, s, p, "")
			r := reserve(t, s, p)
			fill(t, r.Files(), p)
			write(t, filepath.Join(r.Dir, "serial.log"), nil)
			if err := os.Mkdir(filepath.Join(r.Dir, "sockets"), 0o700); err != nil {
				t.Fatal(err)
			}
			made, err := r.Publish(within(t), about)
			if err != nil {
				t.Fatal(err)
			}
			defer closeIt(t, made)
			if err := r.Abandon(); err != nil {
				t.Errorf("abandon after publish: %v", err)
			}
			sn := find(t, snapshot.Open(dir), p)
			checkPublished(t, sn, made, p)
		})
	}
}

func checkPublished(t *testing.T, sn, made *snapshot.Snapshot, p snapshot.Parts) {
	t.Helper()
	if sn.Dir != made.Dir || !reflect.DeepEqual(sn.Manifest, made.Manifest) {
		t.Errorf("found %+v, published %+v", sn, made)
	}
	m := sn.Manifest
	if m.Key != p.Key() || m.Parts != p || m.Took != about.Took || !m.GuestTools || !slices.Equal(m.Argv, about.Argv) || m.Created.IsZero() {
		t.Errorf("got the manifest %+v", m)
	}
	want := []string{"base.qcow2", "device.state", "disk.qcow2", "lock", "manifest.json", "ram.img"}
	if p.Format == snapshot.MappedRAM {
		want = []string{"base.qcow2", "disk.qcow2", "lock", "manifest.json", "savevm.raw", "savevm.zst"}
	}
	if got := names(t, sn.Dir); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	for _, name := range want {
		info, err := os.Stat(filepath.Join(sn.Dir, name))
		if err != nil || name != "lock" && name != "base.qcow2" && info.Mode() != 0o400 {
			t.Errorf("%s: %v, %v, want it to be read-only", name, info.Mode(), err)
		}
	}
}

func TestOtherPartsAreNotFound(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	publish(t, s, parts)
	publish(t, s, with(func(p *snapshot.Parts) { p.Accel, p.QEMU, p.Layout.RAMMiB = "kvm", "x", 256 }))
	for _, test := range []struct {
		change func(*snapshot.Parts)
		why    string
	}{
		{func(p *snapshot.Parts) { p.Accel = "hvf" }, "accelerator tcg -> hvf"},
		{func(p *snapshot.Parts) { p.QEMU = "QEMU emulator version 10.1.0" }, "QEMU 10.0.2 -> 10.1.0"},
		{func(p *snapshot.Parts) { p.ImageDigest = "sha256:ff" }, "image 0123456789ab -> ff"},
	} {
		wantNone(t, s, with(test.change), test.why)
	}
}

// Whatever happens to a file of a snapshot, it is noticed before QEMU sees it, and the snapshot is never found again.
func TestDamageIsFound(t *testing.T) {
	for _, p := range []snapshot.Parts{parts, mapped} {
		for _, file := range []string{"base.qcow2", "device.state", "disk.qcow2", "manifest.json", "ram.img", "savevm.raw"} {
			if p.Format == snapshot.MappedRAM && file != "savevm.raw" || p.Format == snapshot.Lazy && file == "savevm.raw" {
				continue // it is the other format's, or the same as there
			}
			for what, damage := range damages {
				if file == "savevm.raw" && what == "removed" {
					continue // it is restored
				}
				if testing.Short() && what != "removed" && what != "flipped" && file != "ram.img" {
					continue
				}
				t.Run(fmt.Sprint(p.Format, " ", file, " ", what), func(t *testing.T) {
					t.Parallel()
					findsDamage(t, p, file, damage)
				})
			}
		}
	}
}

var damages = map[string]func(t *testing.T, path string){
	"removed":   func(t *testing.T, path string) { check(t, os.Remove(path)) },
	"emptied":   func(t *testing.T, path string) { truncate(t, path, 0) },
	"truncated": func(t *testing.T, path string) { truncate(t, path, size(t, path)-2) },
	"longer":    func(t *testing.T, path string) { truncate(t, path, size(t, path)+1) },
	"flipped": func(t *testing.T, path string) {
		flip(t, path)
	},
	"replaced": func(t *testing.T, path string) {
		check(t, sparse.Copy(within(t), path+".new", path))
		flip(t, path+".new")
		check(t, os.Rename(path+".new", path))
	},
	"a folder":    func(t *testing.T, path string) { check(t, errors.Join(os.Remove(path), os.Mkdir(path, 0o700))) },
	"a dead link": func(t *testing.T, path string) { check(t, errors.Join(os.Remove(path), os.Symlink("none", path))) },
}

// flip changes a bit in the middle of a file.
func flip(t *testing.T, path string) {
	unlock(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(t, err)
	b, at := []byte{0}, size(t, path)/2
	_, err = f.ReadAt(b, at)
	check(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	check(t, errors.Join(err, f.Close()))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func size(t *testing.T, path string) int64 {
	info, err := os.Stat(path)
	check(t, err)
	return info.Size()
}

func findsDamage(t *testing.T, p snapshot.Parts, file string, damage func(*testing.T, string)) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	publish(t, s, p)
	damage(t, filepath.Join(dir, p.Key(), file))

	sn, err := s.Find(p)
	var damaged *snapshot.DamagedError
	if !errors.As(err, &damaged) || damaged.File != file || damaged.Key != p.Key() {
		t.Fatalf("got %v, %v, want damage of %s", sn, err, file)
	}
	if got := names(t, dir); len(got) != 1 || filepath.Join(dir, got[0]) != damaged.Aside {
		t.Errorf("there is %q, and it was set aside to %q", got, damaged.Aside)
	}
	if cause, err := os.ReadFile(filepath.Join(damaged.Aside, "cause")); err != nil || !strings.Contains(string(cause), file) {
		t.Errorf("the cause is %q, %v", cause, err)
	}
	wantNone(t, s, p, "")
	publish(t, s, p)
	find(t, s, p)
}

// A small file whose content changes under the same identity is noticed too: QEMU would load such a device state.
func TestSilentDamage(t *testing.T) {
	for _, file := range []string{"device.state", "disk.qcow2"} {
		dir := t.TempDir()
		s := snapshot.Open(dir)
		publish(t, s, parts)
		rot(t, filepath.Join(dir, parts.Key(), file), 17)
		_, err := s.Find(parts)
		var damaged *snapshot.DamagedError
		if !errors.As(err, &damaged) || damaged.File != file {
			t.Errorf("got %v, want damage of %s", err, file)
		}
	}
}

// rot changes a byte, and leaves the file's identity as it was.
func rot(t *testing.T, path string, at int64) {
	info, err := os.Stat(path)
	check(t, err)
	overwrite(t, path, at, "~")
	check(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
}

// What the system refuses says nothing about the snapshot.
func TestNoPermissionIsNoDamage(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may do everything")
	}
	dir := t.TempDir()
	s := snapshot.Open(dir)
	publish(t, s, parts)
	check(t, os.Chmod(filepath.Join(dir, parts.Key(), "device.state"), 0))
	_, err := s.Find(parts)
	var damaged *snapshot.DamagedError
	if !errors.Is(err, fs.ErrPermission) || errors.As(err, &damaged) {
		t.Errorf("got %v, want no permission", err)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("there are %q, want the snapshot to be where it was", got)
	}
}

func TestCopiedStoreIsSwept(t *testing.T) {
	dir := t.TempDir()
	s := snapshot.Open(dir)
	check(t, os.MkdirAll(filepath.Join(dir, parts.Key(), "x"), 0o700)) // cp -rL makes folders of links
	check(t, os.Symlink("/", filepath.Join(dir, mapped.Key())))
	publish(t, s, parts)
	wantNone(t, s, mapped, "format lazy -> mapped-ram")
	find(t, s, parts)
}
