package instance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// HasData tells whether the instance has a disk or a session of its own.
func (i *Instance) HasData() bool {
	for _, path := range []string{i.Files.Disk, i.Files.Session} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

// Reset throws all data of the instance away, after ending a VM that a former supervisor may have left. The disk goes first:
// a session without it is of no use to anybody, while a disk without its session still boots.
func (i *Instance) Reset(ctx context.Context) error {
	if err := i.endOrphan(ctx); err != nil {
		return err
	}
	broken, err := filepath.Glob(i.Files.Session + brokenMark + "*")
	if err != nil {
		return err
	}
	errs := []error{os.RemoveAll(i.Files.Disk), i.tidy(ctx)}
	for _, path := range append(broken, i.Files.Session, i.Files.PublishedKey, i.Files.Layer, i.Files.Base) {
		errs = append(errs, os.RemoveAll(path))
	}
	return errors.Join(errs...)
}
