package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

// Progress is told how many bytes of work have been done of how many: up to some hundred times a second, by one goroutine at a
// time. It may be nil.
type Progress = pack.Progress

// ErrPacked is the error of packing what is packed already.
var ErrPacked = errors.New("is packed already")

// Pack compresses the RAM and the disk layer of the snapshot of a key, reads back what it has written and holds it to the
// manifest, and only then removes the raw data, unless keep is set. The next [Store.Find] restores it.
//
// It fails with a [*NoneError] when there is no such snapshot, with a [*HeldError] while somebody else has it and keep is not
// set, with ErrPacked, and with a [*DamagedError] when the snapshot is not what had been captured; it is set aside then.
func (s *Store) Pack(ctx context.Context, key string, keep bool, progress Progress) error {
	err := s.withSnapshot(key, func(sn *Snapshot) error { return s.pack(ctx, sn, keep, progress) })
	if err != nil {
		return fmt.Errorf("snapshot: pack %s: %w", key, err)
	}
	return nil
}

// withSnapshot holds the snapshot of a key for f. When f finds damage, it is set aside.
func (s *Store) withSnapshot(key string, f func(*Snapshot) error) error {
	sn, err := s.hold(key)
	if err != nil {
		return err
	}
	if sn == nil {
		return &NoneError{}
	}
	err = f(sn)
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		var asideErr error
		damaged.Aside, asideErr = s.setAside(sn, damaged)
		err = errors.Join(err, asideErr)
	}
	return errors.Join(err, sn.Close())
}

func (s *Store) pack(ctx context.Context, sn *Snapshot, keep bool, progress Progress) error {
	if err := s.onlyOurs(sn); err != nil && !keep {
		return err
	}
	unlock, err := sn.lockWork(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	missing, err := sn.look(ctx)
	if err != nil {
		return err
	}
	files := sn.Manifest.packedFiles()
	if len(missing) == len(files) || keep && allPacked(sn.Dir, files) {
		return ErrPacked
	}
	stages := newStages(progress)
	for _, f := range files {
		stages.expect(2 * f.Size)
	}
	for _, f := range files {
		if err := f.pack(ctx, sn.Dir, stages); err != nil {
			return sn.damaged(f.Name, err)
		}
	}
	if keep {
		return nil
	}
	return s.dropRaw(sn, files)
}

func allPacked(dir string, files []*File) bool {
	for _, f := range files {
		if f.inspectPacked(dir) != nil {
			return false
		}
	}
	return true
}

// pack makes sure that the packed form of a file is there and good. What is there already is read, and made anew if need be.
func (f *File) pack(ctx context.Context, dir string, stages *stages) error {
	raw := filepath.Join(dir, f.Name)
	if !exists(raw) {
		return f.readPacked(ctx, dir, stages.next(2*f.Size))
	}
	if f.inspectPacked(dir) == nil && f.readPacked(ctx, dir, stages.peek(f.Size)) == nil {
		stages.next(2*f.Size)(1, 1)
		return nil
	}
	if err := pack.Pack(ctx, f.packedPath(dir), raw, stages.next(f.Size)); err != nil {
		return err
	}
	if err := os.Chmod(f.packedPath(dir), 0o400); err != nil {
		return err
	}
	return f.readPacked(ctx, dir, stages.next(f.Size)) // also tells when the raw data was not what had been captured
}

// dropRaw removes what is packed. Nobody who has just come may find it half gone.
func (s *Store) dropRaw(sn *Snapshot, files []*File) error {
	return s.locked(func() error {
		if err := sn.onlyOursLocked(); err != nil {
			return err
		}
		for _, f := range files {
			if err := os.Remove(filepath.Join(sn.Dir, f.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return syncDir(sn.Dir)
	})
}

// onlyOurs fails with a HeldError when somebody else has the snapshot too.
func (s *Store) onlyOurs(sn *Snapshot) error { return s.locked(sn.onlyOursLocked) }

// onlyOursLocked gives the share up and takes it again: nobody can come between without the store's lock, which the caller
// has.
func (sn *Snapshot) onlyOursLocked() error {
	if err := sn.lock.Unlock(); err != nil {
		return err
	}
	probe := dirLock(sn.Dir)
	free, err := probe.TryLock()
	err = errors.Join(err, probe.Close())
	if held, again := sn.lock.TryRLock(); again != nil || !held {
		return errors.Join(err, again, fmt.Errorf("%s: %w", sn.Dir, errHeld))
	}
	if err == nil && !free {
		return &HeldError{sn.key}
	}
	return err
}

const (
	workName = "work.lock"
	workPoll = 20 * time.Millisecond
)

// lockWork makes this the only one who packs or restores the snapshot, and removes what the last one has left half done. The
// snapshot is held, so that its directory stays.
func (sn *Snapshot) lockWork(ctx context.Context) (unlock func(), err error) {
	lock := flock.New(filepath.Join(sn.Dir, workName), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, workPoll); err != nil {
		return nil, fmt.Errorf("wait for who packs or restores it: %w", err)
	}
	unlock = func() { _ = lock.Close() }
	if err := removeHalfDone(sn.Dir); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// removeHalfDone removes what packing and restoring write before it gets its name.
func removeHalfDone(dir string) error {
	for _, pattern := range []string{restoredPrefix + "*", "." + restoredPrefix + "*", ".*.zst.*.tmp"} {
		paths, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are well formed
		for _, path := range paths {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
