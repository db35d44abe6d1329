package download

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a lock is tried.
const lockPoll = 100 * time.Millisecond

// Lock makes this process the only one to write what the lock at path is for. When another one is at it, waiting is called
// once, and then it waits until that one is done or ctx is. The kernel frees the lock when its holder dies.
func Lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	lock := flock.New(path, flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err == nil && !held {
		waiting()
		held, err = lock.TryLockContext(ctx, lockPoll)
	}
	if err != nil || !held {
		return nil, fmt.Errorf("lock: %w", errors.Join(err, lock.Close()))
	}
	return func() { _ = lock.Close() }, nil
}

// Publish gives a finished file its name: it is synced, renamed, and the rename is synced. A crash at any point leaves the
// old file or the new one. Who has the old one open keeps it.
func Publish(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
