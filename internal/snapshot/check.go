package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// Report is what a check has found.
type Report struct {
	Key   string
	Dir   string // where the snapshot is now
	Files []FileReport

	// Damage is nil when all is well. The snapshot has been set aside otherwise.
	Damage *DamagedError
}

// FileReport is about one file of a snapshot.
type FileReport struct {
	Name      string
	Size      int64 // bytes that it has when it is not packed
	Allocated int64 // bytes that it takes on the disk; 0 when only its packed form is there
	Packed    int64 // bytes of the packed form; 0 when there is none
	Err       error // nil when it is well
}

// Check looks at all files of the snapshot of a key, as [Store.Find] does before each start: sizes, identities, digests of
// small files, and whether packed forms are whole. With readData it reads all the rest, too, and the image: every byte against
// the checksums of the manifest. Progress hears of that only.
//
// Damage is no error but in the report; the snapshot is set aside, so that it is never used again. The error is a
// [*NoneError] when there is no such snapshot. Other errors say nothing about it.
func (s *Store) Check(ctx context.Context, key string, readData bool, progress Progress) (*Report, error) {
	r := &Report{Key: key}
	err := s.withSnapshot(key, func(sn *Snapshot) error {
		defer func() { r.Dir = sn.Dir }()
		return sn.check(ctx, r, readData, progress)
	})
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		r.Damage = damaged
		if damaged.Aside != "" {
			r.Dir = damaged.Aside
		}
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot: check %s: %w", key, err)
	}
	return r, nil
}

// check returns the first damage, and has noted all of it.
func (sn *Snapshot) check(ctx context.Context, r *Report, readData bool, progress Progress) error {
	if err := sn.readManifest(); err != nil {
		return err
	}
	stages := newStages(progress)
	if readData {
		for i := range sn.Manifest.Files {
			stages.expect(sn.Manifest.Files[i].work(sn.Dir))
		}
	}
	var first error
	for i := range sn.Manifest.Files {
		f := &sn.Manifest.Files[i]
		report := f.describe(sn.Dir)
		report.Err = f.check(ctx, sn.Dir, readData, stages)
		if report.Err != nil {
			if _, ok := errors.AsType[*damage](report.Err); !ok {
				return fmt.Errorf("%s: %w", f.Name, report.Err)
			}
			first = errors.Join(first, report.Err)
		}
		r.Files = append(r.Files, report)
	}
	if first == nil {
		return nil
	}
	return sn.damaged("", first)
}

func (f *File) describe(dir string) FileReport {
	report := FileReport{Name: f.Name, Size: f.Size}
	if info, err := os.Stat(filepath.Join(dir, f.Name)); err == nil {
		report.Allocated = sparse.Allocated(info)
	}
	if info, err := os.Stat(f.packedPath(dir)); packedName(f.Name) != "" && err == nil {
		report.Packed = info.Size()
	}
	return report
}

// work is how many bytes a check of all data reads.
func (f *File) work(dir string) (bytes int64) {
	if !f.onlyPacked(dir) {
		bytes += f.Size
	}
	if packedName(f.Name) != "" && exists(f.packedPath(dir)) {
		bytes += f.Size
	}
	return bytes
}

func (f *File) check(ctx context.Context, dir string, readData bool, stages *stages) error {
	if !f.onlyPacked(dir) {
		if err := f.verify(ctx, dir); err != nil {
			return err
		}
		if readData {
			if err := f.readRaw(ctx, dir, stages.next(f.Size)); err != nil {
				return err
			}
		}
	}
	if packedName(f.Name) == "" || !exists(f.packedPath(dir)) {
		return nil
	}
	if err := f.inspectPacked(dir); err != nil || !readData {
		return err
	}
	return f.readPacked(ctx, dir, stages.next(f.Size))
}

// readRaw reads every byte of a file that has passed verify, which has read the small ones.
func (f *File) readRaw(ctx context.Context, dir string, progress Progress) error {
	file, err := os.Open(filepath.Join(dir, f.Name))
	if err != nil {
		return err
	}
	defer file.Close()
	err = f.sameContent(ctx, file, f.Size, counter(f.Size, progress))
	if changed, ok := errors.AsType[*changedError](err); ok {
		return &damage{f.Name, changed.error}
	}
	if errors.Is(err, syscall.EIO) { // the disk has lost it
		return &damage{f.Name, err}
	}
	return err
}
