// Package private writes files that hold secrets.
package private

import (
	"fmt"
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
