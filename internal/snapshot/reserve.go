package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Reservation is the right to capture the snapshot of one key, which one process at a time has. It ends with
// [Reservation.Publish] or [Reservation.Abandon], or with the process.
type Reservation struct {
	Dir string // where the capture writes its files

	store *Store
	parts Parts
	lock  *flock.Flock
}

// Files are the paths that the capture writes.
func (r *Reservation) Files() Files { return filesIn(r.Dir) }

// captureWatch is how often it is looked whether another process has finished its capture, which takes a minute or so.
const captureWatch = 200 * time.Millisecond

// Reserve takes the right to capture the snapshot with these parts, or else holds the snapshot, if there is one already or
// another process publishes one meanwhile: exactly one of the two is returned. While another process captures, Reserve
// waits, until ctx ends; waiting, if not nil, is called once when that begins.
func (s *Store) Reserve(ctx context.Context, p Parts, waiting func()) (*Reservation, *Snapshot, error) {
	return s.reserve(ctx, p, waiting, "")
}

// Replace is [Store.Reserve] for a snapshot that is to be captured again: the one that is there when Replace is called is
// no answer. It stays in use until the new one is published.
func (s *Store) Replace(ctx context.Context, p Parts, waiting func()) (*Reservation, *Snapshot, error) {
	old := ""
	if sn, err := s.hold(p.Key()); err != nil {
		return nil, nil, fmt.Errorf("snapshot: %w", err)
	} else if sn != nil {
		old = sn.Dir
		if err := sn.Close(); err != nil {
			return nil, nil, fmt.Errorf("snapshot: %w", err)
		}
	}
	return s.reserve(ctx, p, waiting, old)
}

// reserve does not take the generation old for an answer.
func (s *Store) reserve(ctx context.Context, p Parts, waiting func(), old string) (*Reservation, *Snapshot, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("snapshot: %w", err)
	}
	for {
		r, sn, err := s.tryReserve(ctx, p, old)
		if r != nil || sn != nil || !errors.Is(err, errHeld) {
			return r, sn, err
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("snapshot: wait for another process to capture: %w", context.Cause(ctx))
		case <-time.After(captureWatch):
		}
	}
}

// tryReserve fails with errHeld while another process captures.
func (s *Store) tryReserve(ctx context.Context, p Parts, old string) (*Reservation, *Snapshot, error) {
	sn, err := s.find(ctx, p, nil)
	if err == nil && sn.Dir != old {
		return nil, sn, nil
	}
	if err == nil {
		err = sn.Close()
	}
	_, none := errors.AsType[*NoneError](err)
	_, damaged := errors.AsType[*DamagedError](err)
	if err != nil && !none && !damaged {
		return nil, nil, fmt.Errorf("snapshot: %w", err)
	}
	r, err := s.makeBuild(p, old)
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot: capture: %w", err)
	}
	return r, nil, nil
}

// makeBuild makes and locks the directory of a capture, unless somebody captures, or has published, under the same key.
func (s *Store) makeBuild(p Parts, old string) (r *Reservation, err error) {
	key := p.Key()
	err = s.locked(func() error {
		_ = s.sweep() // what cannot be removed now is in nobody's way, and is tried again
		if dir, err := s.inUse(key); err != nil || dir != "" && dir != old {
			return errors.Join(errHeld, err) // published since it was looked for: look again
		}
		if busy, err := s.isBuilding(key); err != nil || busy {
			return errors.Join(errHeld, err)
		}
		dir, err := os.MkdirTemp(s.dir, buildName(key)) // mode 0700
		if err != nil {
			return err
		}
		lock := dirLock(dir)
		if _, err := lock.TryLock(); err != nil {
			return errors.Join(err, os.RemoveAll(dir))
		}
		r = &Reservation{Dir: dir, store: s, parts: p, lock: lock}
		return nil
	})
	return r, err
}

// isBuilding says whether a capture of a key goes on: after a sweep, what is left of builds is held.
func (s *Store) isBuilding(key string) (bool, error) {
	items, err := s.items()
	if err != nil {
		return false, err
	}
	for _, it := range items {
		if it.kind == building && it.key == key {
			return true, nil
		}
	}
	return false, nil
}

// Abandon gives the right back and removes what was captured. After Publish it does nothing.
func (r *Reservation) Abandon() error {
	if r.lock == nil {
		return nil
	}
	err := r.store.locked(func() error { return errors.Join(os.RemoveAll(r.Dir), r.lock.Close()) })
	if err != nil {
		return fmt.Errorf("snapshot: abandon %s: %w", filepath.Base(r.Dir), err)
	}
	r.lock = nil
	return nil
}
