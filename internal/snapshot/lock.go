package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A process holds the store's lock for moments only: the longest is the removal of a few big files. Waiting longer than
// busyAfter means that one stands still with it.
const (
	busyAfter = 30 * time.Second
	busyPoll  = 2 * time.Millisecond
)

// locked runs f while no other process looks at the store or changes it. The locks of snapshots are taken nowhere else:
// this way none can be taken on a directory that is just being removed or renamed.
func (s *Store) locked(f func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), busyAfter)
	defer cancel()
	lock := flock.New(filepath.Join(s.dir, storeLock), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, busyPoll); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("another process has had the lock %s for %v", lock.Path(), busyAfter)
		}
		return err
	}
	return errors.Join(f(), lock.Close())
}

func dirLock(dir string) *flock.Flock {
	return flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
}

// errHeld is the error of removing what somebody holds.
var errHeld = errors.New("in use")

// removeFree removes a directory that nobody holds, and what is in it. The caller has the store's lock.
func removeFree(dir string) error {
	if info, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err == nil && !info.IsDir() {
		return os.Remove(dir)
	}
	lock := dirLock(dir)
	free, err := lock.TryLock()
	if err != nil {
		return err
	}
	if !free {
		return errHeld
	}
	return errors.Join(os.RemoveAll(dir), lock.Close())
}
