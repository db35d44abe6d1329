package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stackemu/stackemu/qemu"
)

// looksRight catches a capture that went wrong in a way that QEMU would not notice before the guest runs.
func looksRight(path string, p Parts) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a file")
	}
	switch filepath.Base(path) {
	case ramName:
		if want := int64(p.Layout.RAMMiB) << 20; info.Size() != want {
			return fmt.Errorf("is %d bytes long, and the guest's RAM is %d", info.Size(), want)
		}
	case diskName:
		h, err := qemu.CheckImage(path, baseName)
		if err == nil && h.BackingFile != baseName {
			err = fmt.Errorf("is not an overlay on %s", baseName)
		}
		return err
	}
	if info.Size() == 0 {
		return errors.New("is empty")
	}
	return nil
}
