package snapshot

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// keepBroken is how many broken snapshots are kept for whoever wants to know why.
const keepBroken = 2

// item is an entry of the store's directory.
type item struct {
	kind   kind
	key    string
	number int    // of a generation
	path   string // absolute when the store's is
	linked bool   // of a generation: it is in use
}

// items lists the directory, oldest broken snapshot first. The caller has the store's lock.
func (s *Store) items() ([]item, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var items []item
	for _, e := range entries {
		it := item{path: filepath.Join(s.dir, e.Name())}
		if it.kind, it.key, it.number = parseName(e.Name()); it.kind == foreign {
			continue
		}
		if it.kind == generation {
			dir, err := s.inUse(it.key)
			it.linked = err == nil && dir == it.path
		}
		items = append(items, it)
	}
	return items, nil
}

// garbage picks what nobody can ever want again. The caller has the store's lock.
func (s *Store) garbage(items []item) (garbage []item) {
	brokenOnes := 0
	for _, it := range items {
		if it.kind == broken {
			brokenOnes++
		}
	}
	for _, it := range items {
		switch it.kind {
		case building, stray:
			garbage = append(garbage, it)
		case generation:
			if !it.linked {
				garbage = append(garbage, it)
			}
		case current:
			if dir, err := s.inUse(it.key); err != nil || dir == "" { // names nothing, or is no link
				garbage = append(garbage, it)
			}
		case broken:
			if brokenOnes > keepBroken {
				garbage = append(garbage, it)
				brokenOnes--
			}
		}
	}
	return garbage
}

// sweep removes the garbage that nobody holds. The caller has the store's lock.
func (s *Store) sweep() error {
	items, err := s.items()
	if err != nil {
		return err
	}
	var errs []error
	for _, it := range s.garbage(items) {
		if it.kind == generation && exists(filepath.Join(it.path, causeName)) {
			if err := s.putAside(it); err != nil && !errors.Is(err, errHeld) {
				errs = append(errs, err)
			}
			continue
		}
		if err := removeFree(it.path); err != nil && !errors.Is(err, errHeld) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// putAside renames what was set aside while somebody had it. The caller has the store's lock.
func (s *Store) putAside(it item) error {
	lock := dirLock(it.path)
	free, err := lock.TryLock()
	if err != nil {
		return err
	}
	if free {
		err = os.Rename(it.path, filepath.Join(s.dir, brokenName(it.key, time.Now())))
	} else {
		err = errHeld
	}
	return errors.Join(err, lock.Close())
}
