package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/pack"
	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// These have the digest that the image of fill has, and just more RAM than two chunks.
var (
	sound = with(func(p *snapshot.Parts) {
		p.ImageDigest, p.Layout.RAMMiB = "sha256:97e9d7a16021e6d07fbe28cce398f5847fc00c574991fbff65d95fd5e032d389", 9
	})
	soundMapped = snapshot.Parts{ImageDigest: sound.ImageDigest, Layout: sound.Layout, QEMU: sound.QEMU, Accel: sound.Accel,
		HostCPU: sound.HostCPU, Format: snapshot.MappedRAM, Version: sound.Version}
)

// rawName is the file that a format's RAM is in, and packed what it is packed to.
func rawName(p snapshot.Parts) (raw, packed string) {
	if p.Format == snapshot.MappedRAM {
		return "savevm.raw", "savevm.zst"
	}
	return "ram.img", "ram.img.zst"
}

// packedStore is a store with a snapshot that is packed, its directory, and what was in its RAM file.
func packedStore(t *testing.T, p snapshot.Parts) (s *snapshot.Store, dir string, content []byte) {
	t.Helper()
	root := t.TempDir()
	s, dir = snapshot.Open(root), filepath.Join(root, p.Key())
	publish(t, s, p)
	raw, _ := rawName(p)
	content, err := os.ReadFile(filepath.Join(dir, raw))
	check(t, err)
	check(t, s.Pack(within(t), p.Key(), false, nil))
	return s, dir, content
}

func TestPackAndFind(t *testing.T) {
	for _, p := range []snapshot.Parts{sound, soundMapped} {
		t.Run(string(p.Format), func(t *testing.T) {
			s, dir, content := packedStore(t, p)
			raw, packed := rawName(p)
			if got := names(t, dir); slices.Contains(got, raw) || slices.Contains(got, "disk.qcow2") || !slices.Contains(got, packed) {
				t.Errorf("there are %q", got)
			}
			entries, err := s.List()
			check(t, err)
			if e := entries[0]; !e.Packed || e.Size < int64(len(content)) || e.Bytes > 100*1024 {
				t.Errorf("listed %+v", e)
			}
			if err := s.Pack(within(t), p.Key(), false, nil); !errors.Is(err, snapshot.ErrPacked) {
				t.Errorf("again: %v", err)
			}
			sn := find(t, s, p)
			got, err := os.ReadFile(filepath.Join(sn.Dir, raw))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("another %s is back, %v", raw, err)
			}
			info, err := os.Stat(filepath.Join(sn.Dir, raw))
			check(t, err)
			if info.Mode() != 0o400 || sparse.Allocated(info) > 100*1024 {
				t.Errorf("mode %v, %d bytes on the disk", info.Mode(), sparse.Allocated(info))
			}
			if report, err := s.Check(within(t), p.Key(), true, nil); err != nil || report.Damage != nil {
				t.Errorf("it is not well: %+v, %v", report, err)
			}
		})
	}
}

// Any zstd tool reads what was packed.
// Who looks for a snapshot hears how its restore gets on, up to the end; where there is nothing to restore, nothing.
func TestFindTellsProgress(t *testing.T) {
	for _, p := range []snapshot.Parts{sound, soundMapped} {
		t.Run(string(p.Format), func(t *testing.T) {
			s, _, _ := packedStore(t, p)
			var last, whole int64
			told := 0
			progress := func(done, total int64) {
				if told++; done < last || told > 1 && total != whole {
					t.Errorf("%d of %d after %d of %d", done, total, last, whole)
				}
				last, whole = done, total
			}
			sn, err := s.FindContext(within(t), p, progress)
			check(t, err)
			var restored int64
			for _, f := range sn.Manifest.Files {
				if raw, _ := rawName(p); f.Name == raw || f.Name == "disk.qcow2" {
					restored += f.Size
				}
			}
			check(t, sn.Close())
			if told == 0 || last != restored || whole != restored {
				t.Errorf("told %d times, %d of %d at last, want %d", told, last, whole, restored)
			}
			told = 0
			sn, err = s.FindContext(within(t), p, progress)
			check(t, err)
			check(t, sn.Close())
			if told != 0 {
				t.Errorf("told %d times of nothing", told)
			}
		})
	}
}

func TestProgramReadsPacked(t *testing.T) {
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("zstd is not installed")
	}
	_, dir, content := packedStore(t, sound)
	got, err := exec.CommandContext(within(t), zstd, "-dc", filepath.Join(dir, "ram.img.zst")).Output()
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("zstd reads %d bytes of %d, %v", len(got), len(content), err)
	}
}

// And what another tool has packed is as good.
func TestOthersPackedFileIsRestored(t *testing.T) {
	zstd, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("zstd is not installed")
	}
	root := t.TempDir()
	s := snapshot.Open(root)
	publish(t, s, sound)
	ram := snapshot.FilesUnder(root, sound.Key()).RAM
	check(t, exec.CommandContext(within(t), zstd, "-q", "--rm", ram).Run())
	if report, err := s.Check(within(t), sound.Key(), true, nil); err != nil || report.Damage != nil {
		t.Errorf("got %+v, %v", report, err)
	}
	find(t, s, sound)
}

// Several who want it at once get it, over what a crash has left.
func TestManyRestore(t *testing.T) {
	s, dir, content := packedStore(t, sound)
	write(t, filepath.Join(dir, ".restored-ram.img"), []byte("half of it"))
	write(t, filepath.Join(dir, "..restored-ram.img.123.tmp"), []byte("less"))
	write(t, filepath.Join(dir, ".ram.img.zst.123.tmp"), []byte("less"))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			sn, err := s.Find(sound)
			if err != nil {
				t.Error(err)
				return
			}
			closeIt(t, sn)
		})
	}
	all.Wait()
	got, err := os.ReadFile(find(t, s, sound).Files().RAM)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("it is another one, %v", err)
	}
	want := []string{"base.qcow2", "device.state", "disk.qcow2", "disk.qcow2.zst", "lock", "manifest.json", "ram.img", "ram.img.zst", "work.lock"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

// A crash between any two steps of a restoration leaves a snapshot that is found.
func TestCrashWhileRestoring(t *testing.T) {
	for steps := range 5 { // two files: nothing, manifest, one name, both, and the directory synced
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			t.Parallel()
			s, dir, content := packedStore(t, sound)
			check(t, s.RestoreAndDie(within(t), sound, steps))
			sn := find(t, s, sound)
			got, err := os.ReadFile(sn.Files().RAM)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("after %d steps: it is another one, %v", steps, err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); left != nil {
				t.Errorf("after %d steps: left are %q", steps, left)
			}
		})
	}
}

// What does not give the raw data back is no snapshot.
func TestDamagedPackedFile(t *testing.T) {
	for what, spoil := range map[string]func(t *testing.T, path string){
		"emptied":   func(t *testing.T, path string) { truncate(t, path, 0) },
		"truncated": func(t *testing.T, path string) { truncate(t, path, size(t, path)-30) },
		"flipped":   func(t *testing.T, path string) { rot(t, path, 40) },
		"another": func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "other")
			write(t, other, []byte("something"))
			check(t, os.Truncate(other, int64(sound.Layout.RAMMiB)*mib))
			check(t, pack.Pack(within(t), path, other, nil))
		},
		"shorter": func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "other")
			write(t, other, []byte("something"))
			check(t, pack.Pack(within(t), path, other, nil))
		},
		"a folder": func(t *testing.T, path string) { check(t, errors.Join(os.Remove(path), os.Mkdir(path, 0o700))) },
	} {
		for _, readData := range []bool{false, true} {
			if testing.Short() && !readData {
				continue
			}
			t.Run(fmt.Sprint(what, " ", readData), func(t *testing.T) { t.Parallel(); damagePacked(t, what, spoil, readData) })
		}
	}
}

func damagePacked(t *testing.T, what string, spoil func(*testing.T, string), readData bool) {
	s, dir, _ := packedStore(t, sound)
	spoil(t, filepath.Join(dir, "ram.img.zst"))
	report, err := s.Check(within(t), sound.Key(), readData, nil)
	check(t, err)
	unseen := !readData && (what == "flipped" || what == "another")
	if (report.Damage == nil) != unseen || report.Damage != nil && report.Damage.File != "ram.img.zst" {
		t.Errorf("%s, all data %v: got %v", what, readData, report.Damage)
	}
	if !unseen {
		wantNone(t, s, sound, "")
		return
	}
	_, err = s.Find(sound)
	var damaged *snapshot.DamagedError
	if !errors.As(err, &damaged) || damaged.File != "ram.img.zst" || damaged.Aside == "" {
		t.Errorf("%s: got %v, want damage", what, err)
	}
}

// Nothing is packed that is not what had been captured, and nothing is dropped then.
func TestPackOfTheDamaged(t *testing.T) {
	root := t.TempDir()
	s := snapshot.Open(root)
	publish(t, s, sound)
	rot(t, snapshot.FilesUnder(root, sound.Key()).RAM, 5*mib)
	err := s.Pack(within(t), sound.Key(), false, nil)
	var damaged *snapshot.DamagedError
	if !errors.As(err, &damaged) || damaged.Aside == "" {
		t.Fatalf("got %v, want damage", err)
	}
	if _, err := os.Stat(filepath.Join(damaged.Aside, "ram.img")); err != nil {
		t.Error(err)
	}
	wantNone(t, s, sound, "")
}

func TestPackOfTheHeld(t *testing.T) {
	root := t.TempDir()
	s := snapshot.Open(root)
	publish(t, s, sound)
	sn := find(t, s, sound)
	var held *snapshot.HeldError
	if err := s.Pack(within(t), sound.Key(), false, nil); !errors.As(err, &held) {
		t.Errorf("got %v, want that it is held", err)
	}
	check(t, s.Pack(within(t), sound.Key(), true, nil)) // adds, and takes nothing away
	if _, err := os.Stat(sn.Files().RAM); err != nil {
		t.Error(err)
	}
	if err := s.Pack(within(t), sound.Key(), true, nil); !errors.Is(err, snapshot.ErrPacked) {
		t.Errorf("again: %v", err)
	}
	closeIt(t, sn)
	check(t, s.Pack(within(t), sound.Key(), false, nil))
	find(t, s, sound)
}

func TestUnpack(t *testing.T) {
	s, dir, content := packedStore(t, sound)
	last := int64(-1)
	check(t, s.Unpack(within(t), sound.Key(), func(done, total int64) {
		if done < last || total < int64(len(content)) || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}))
	if last < int64(len(content)) {
		t.Errorf("progress ended at %d", last)
	}
	got, err := os.ReadFile(filepath.Join(dir, "ram.img"))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("another RAM is back, %v", err)
	}
	if err := s.Unpack(within(t), sound.Key(), nil); !errors.Is(err, snapshot.ErrNotPacked) {
		t.Errorf("again: %v", err)
	}
	var none *snapshot.NoneError
	if err := s.Unpack(within(t), soundMapped.Key(), nil); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "ram.img.zst"): sound.Key(), dir + ".1/none": sound.Key(), filepath.Join(dir+".2", "x"): "", "x": "",
	} {
		if got := s.KeyOf(path); got != want {
			t.Errorf("%s belongs to %q, want %q", path, got, want)
		}
	}
}

// Who gives up on waiting has learned nothing about the snapshot.
func TestPackingIsGivenUp(t *testing.T) {
	s, _, _ := packedStore(t, sound)
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	var damaged *snapshot.DamagedError
	if _, err := s.FindContext(ctx, sound, nil); !errors.Is(err, context.Canceled) || errors.As(err, &damaged) {
		t.Errorf("find: %v", err)
	}
	if _, err := s.Check(ctx, sound.Key(), true, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("check: %v", err)
	}
	sn, err := s.Find(sound)
	check(t, err)
	closeIt(t, sn)
	if err := s.Pack(ctx, sound.Key(), false, nil); !errors.Is(err, context.Canceled) || errors.As(err, &damaged) {
		t.Errorf("pack: %v", err)
	}
	find(t, s, sound)
}
