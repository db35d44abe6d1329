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

// Remove deletes the snapshot of a key, or what else has a name: [Entry.Name] of what is not in use. It fails with a
// [*HeldError] while somebody holds it, and with a [*NoneError] when there is none.
func (s *Store) Remove(keyOrName string) error {
	err := error(&NoneError{})
	listErr := s.withItems(func(items []item) error {
		for _, it := range items {
			if it.linked && it.key == keyOrName || !it.linked && it.kind != current && filepath.Base(it.path) == keyOrName {
				err = s.removeItem(it)
			}
		}
		return nil
	})
	if errors.Is(err, errHeld) {
		err = &HeldError{keyOrName}
	}
	if err = errors.Join(listErr, err); err != nil {
		return fmt.Errorf("snapshot: remove %s: %w", keyOrName, err)
	}
	return nil
}

// Pruned is what a prune was about.
type Pruned struct {
	Removed []Entry // or would be
	Held    []Entry // would be, if nobody had it now
}

// Prune removes every snapshot that keep does not want, those that were replaced or set aside, and what crashes have left. A
// manifest that cannot be read is not asked about. What somebody holds stays. After an error the rest has been tried. With dry
// nothing is removed.
func (s *Store) Prune(keep func(Manifest) bool, dry bool) (p Pruned, err error) {
	err = s.withItems(func(items []item) error {
		var errs []error
		for _, it := range items {
			e, wanted := it.wanted(keep)
			if wanted {
				continue
			}
			err := s.removeUnlessDry(it, e, dry)
			switch {
			case errors.Is(err, errHeld):
				p.Held = append(p.Held, e)
			case err != nil:
				errs = append(errs, err)
			case it.kind != stray:
				p.Removed = append(p.Removed, e)
			}
		}
		if !dry {
			errs = append(errs, s.sweep())
		}
		return errors.Join(errs...)
	})
	return p, err
}

// removeOutgrown removes what a host that has changed no longer resumes: snapshots that differ from p in QEMU, accelerator or
// processor alone. One that somebody holds is left for a prune. The caller has the store's lock.
func (s *Store) removeOutgrown(p Parts) error {
	items, err := s.items()
	if err != nil {
		return err
	}
	var errs []error
	for _, it := range items {
		if !it.linked || it.key == p.Key() {
			continue
		}
		m := it.describe().Manifest
		if m == nil {
			continue
		}
		here := m.Parts
		here.QEMU, here.Accel, here.HostCPU = p.QEMU, p.Accel, p.HostCPU
		if here.Key() != p.Key() {
			continue
		}
		if err := s.removeItem(it); !errors.Is(err, errHeld) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Store) removeUnlessDry(it item, e Entry, dry bool) error {
	if !dry {
		return s.removeItem(it)
	}
	if e.Held {
		return errHeld
	}
	return nil
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
