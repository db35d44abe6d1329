package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gofrs/flock"
)

// Store is a directory of snapshots. Any number of stores, in any number of processes, may work on the same directory.
type Store struct{ dir string }

// Open returns the store in dir, which is made when there is something to put into it.
func Open(dir string) *Store { return &Store{dir} }

// Snapshot is a snapshot that this process holds, from [Store.Find] to [Snapshot.Close]. Its files are for reading only:
// they are shared with every VM that was resumed from it.
type Snapshot struct {
	Dir      string
	Manifest Manifest

	key  string
	lock *flock.Flock
}

// Files are the paths of the snapshot's files.
func (sn *Snapshot) Files() Files { return filesIn(sn.Dir) }

// Close gives the snapshot back. A VM that has its files open or mapped keeps them. A second Close does nothing.
func (sn *Snapshot) Close() error { return sn.lock.Close() }

// NoneError tells that there is no snapshot with the parts that were asked for.
type NoneError struct {
	Why string // what makes the snapshot that is there another one; "" when there is none at all
}

func (e *NoneError) Error() string {
	if e.Why == "" {
		return "there is no snapshot yet"
	}
	return "there is no snapshot for this: " + e.Why
}

// DamagedError tells that a snapshot was not what had been captured.
type DamagedError struct {
	Key   string
	File  string // its name
	Err   error
	Aside string // where the snapshot has been set aside to; "" when it is where it was
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("snapshot %s is damaged: %s %v", e.Key, e.File, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Find holds the snapshot with these parts, for any number of holders. It reads little: sizes, identities and small files.
//
// When there is none, the error is a [*NoneError]. When there is one that is damaged, it is set aside, and the error is a
// [*DamagedError]. Any other error says nothing about the snapshot.
func (s *Store) Find(p Parts) (*Snapshot, error) { return s.FindContext(context.Background(), p, nil) }

// FindContext is [Store.Find] for who may not want to wait for it: a cache that is missing is restored, which takes seconds and is
// told to progress, unless that is nil.
func (s *Store) FindContext(ctx context.Context, p Parts, progress Progress) (*Snapshot, error) {
	sn, err := s.find(ctx, p, progress)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return sn, nil
}

func (s *Store) find(ctx context.Context, p Parts, progress Progress) (*Snapshot, error) {
	sn, err := s.hold(p.Key())
	if err != nil {
		return nil, err
	}
	if sn == nil {
		return nil, &NoneError{s.nearest(p)}
	}
	err = sn.load(ctx, progress)
	if err == nil {
		return sn, nil
	}
	if damaged, ok := errors.AsType[*DamagedError](err); ok {
		var asideErr error
		damaged.Aside, asideErr = s.setAside(sn, damaged)
		err = errors.Join(err, asideErr)
	}
	return nil, errors.Join(err, sn.Close())
}

// hold takes a share in the generation of a key that is in use. Nil means that there is none.
func (s *Store) hold(key string) (sn *Snapshot, err error) {
	if _, err := os.Stat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	err = s.locked(func() error {
		dir, err := s.inUse(key)
		if dir == "" || err != nil {
			return err
		}
		lock := dirLock(dir)
		if held, err := lock.TryRLock(); err != nil {
			return err
		} else if !held { // nobody keeps such a lock outside the store's
			return fmt.Errorf("%s: %w", dir, errHeld)
		}
		sn = &Snapshot{Dir: dir, key: key, lock: lock}
		return nil
	})
	return sn, err
}

// inUse is the directory of the generation that a key's link names, or "". Something else under that name is removed by
// the next sweep. The caller has the store's lock.
func (s *Store) inUse(key string) (string, error) {
	target, err := os.Readlink(filepath.Join(s.dir, key))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) { // EINVAL: not a link
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if k, of, _ := parseName(target); k != generation || of != key {
		return "", nil // not our link
	}
	dir := filepath.Join(s.dir, target)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return dir, nil
}

// damaged wraps an error that is about a file's content. What the system refuses to us is no damage.
func (sn *Snapshot) damaged(file string, err error) error {
	if d, ok := errors.AsType[*damage](err); ok {
		return &DamagedError{Key: sn.key, File: d.file, Err: d.err}
	}
	_, system := errors.AsType[*fs.PathError](err)
	if file == manifestName && (!system || errors.Is(err, fs.ErrNotExist)) {
		return &DamagedError{Key: sn.key, File: file, Err: err}
	}
	return err
}

// nearest says what makes these parts other than those of the snapshot that is most like them; "" when there is none.
func (s *Store) nearest(p Parts) string {
	var best *Manifest
	for _, m := range s.manifests() {
		if best == nil || closer(m, best, p) {
			best = m
		}
	}
	if best == nil {
		return ""
	}
	return best.Parts.Diff(p)
}

// closer says whether a is more like p than b is, or newer.
func closer(a, b *Manifest, p Parts) bool {
	if x, y := len(a.Parts.changes(p)), len(b.Parts.changes(p)); x != y {
		return x < y
	}
	return a.Created.After(b.Created)
}

// manifests are those of all snapshots in use that can be read. Nothing is held.
func (s *Store) manifests() (all []*Manifest) {
	entries, _ := os.ReadDir(s.dir) // for words only
	for _, e := range entries {
		if k, _, _ := parseName(e.Name()); k != current {
			continue
		}
		if m, err := readManifest(filepath.Join(s.dir, e.Name())); err == nil {
			all = append(all, m)
		}
	}
	return all
}
