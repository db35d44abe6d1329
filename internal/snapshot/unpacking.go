package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// ErrNotPacked is the error of unpacking what is not packed.
var ErrNotPacked = errors.New("is not packed")

// Unpack restores the raw data of the snapshot of a key, as the next [Store.Find] would. The packed form stays: to pack
// the snapshot again is to drop the raw data.
//
// It fails with a [*NoneError], with ErrNotPacked, and with a [*DamagedError] when the packed data is not what had been
// captured; the snapshot is set aside then.
func (s *Store) Unpack(ctx context.Context, key string, progress Progress) error {
	err := s.withSnapshot(key, func(sn *Snapshot) error {
		if err := sn.readManifest(); err != nil {
			return err
		}
		if !sn.Manifest.isPacked(sn.Dir) {
			return ErrNotPacked
		}
		return sn.load(ctx, progress)
	})
	if err != nil {
		return fmt.Errorf("snapshot: unpack %s: %w", key, err)
	}
	return nil
}

// KeyOf is the key of the snapshot in use that a file belongs to, or "".
func (s *Store) KeyOf(path string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return ""
	}
	store, err := filepath.EvalSymlinks(s.dir)
	if err != nil || filepath.Dir(dir) != store {
		return ""
	}
	k, key, _ := parseName(filepath.Base(dir))
	if k != generation {
		return ""
	}
	used := ""
	_ = s.withItems(func([]item) error { used, err = s.inUse(key); return err })
	if filepath.Base(used) != filepath.Base(dir) {
		return ""
	}
	return key
}
