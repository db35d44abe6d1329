// Package private writes files that hold secrets.
package private

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write puts data at path with mode 0600, by rename: a reader sees the old file or the new one, never a part, and a file
// that was there with a wider mode does not hand it on.
func Write(path string, data []byte) error {
	// The temporary file belongs beside the target; asked for it, renameio does not go looking for a better place.
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer file.Cleanup()
	if _, err := file.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Replace is [Write] that lasts: when it returns, data at path survives the loss of power. What is there already, with the
// right mode, is not written again.
func Replace(path string, data []byte) error {
	if !same(path, data) {
		if err := Write(path, data); err != nil {
			return err
		}
	}
	// Also where nothing was written: whoever wrote it may have been killed before this.
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

func same(path string, data []byte) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o600 {
		return false
	}
	old, err := os.ReadFile(path)
	return err == nil && bytes.Equal(old, data)
}
