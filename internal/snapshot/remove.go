package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// HeldError tells that a snapshot cannot be removed, because a process has it.
type HeldError struct{ Key string }

func (e *HeldError) Error() string {
	return fmt.Sprintf("snapshot %s is in use: stop the instances that were resumed from it first", e.Key)
}

// Remove deletes the snapshot of a key. It fails with a [*HeldError] while somebody holds it, and with a [*NoneError] when
// there is none.
func (s *Store) Remove(key string) error {
	err := error(&NoneError{})
	listErr := s.withItems(func(items []item) error {
		for _, it := range items {
			if it.key == key && it.linked {
				err = s.removeItem(it)
			}
		}
		return nil
	})
	if errors.Is(err, errHeld) {
		err = &HeldError{key}
	}
	if err = errors.Join(listErr, err); err != nil {
		return fmt.Errorf("snapshot: remove %s: %w", key, err)
	}
	return nil
}

// Removed is something that was removed.
type Removed struct {
	Name  string
	What  string // as in [Entry]
	Bytes int64  // that it took on the disk
}

// Prune removes every snapshot that keep does not want, the broken ones, and what crashes have left. A manifest that cannot
// be read is not asked about. What somebody holds stays, and is not in the list. After an error the rest has been tried.
func (s *Store) Prune(keep func(Manifest) bool) (removed []Removed, err error) {
	err = s.withItems(func(items []item) error {
		var errs []error
		for _, it := range items {
			e, wanted := it.wanted(keep)
			if wanted {
				continue
			}
			switch err := s.removeItem(it); {
			case err == nil && it.kind != current && it.kind != stray:
				removed = append(removed, Removed{e.Name, e.What, e.Bytes})
			case err != nil && !errors.Is(err, errHeld):
				errs = append(errs, err)
			}
		}
		return errors.Join(append(errs, s.sweep())...)
	})
	return removed, err
}

// wanted says whether an item is to stay. Links go with what they name.
func (it item) wanted(keep func(Manifest) bool) (Entry, bool) {
	if it.kind == current {
		return Entry{}, true
	}
	e := it.describe()
	return e, it.linked && e.Manifest != nil && keep(*e.Manifest)
}

// removeItem removes what nobody holds: the link first, so that nothing half removed is in use. The caller has the store's
// lock.
func (s *Store) removeItem(it item) error {
	if !it.linked {
		return removeFree(it.path)
	}
	lock := dirLock(it.path)
	free, err := lock.TryLock()
	if err != nil {
		return err
	}
	if !free {
		return errHeld
	}
	err = os.Remove(filepath.Join(s.dir, it.key))
	if err == nil {
		err = errors.Join(syncDir(s.dir), os.RemoveAll(it.path))
	}
	return errors.Join(err, lock.Close())
}
