// Package configdisk finds the disk by which the host configures the guest, and reads it.
//
// Disks are found by the label in their volume descriptor and not by a link of udev, so that the answer does not depend
// on when udev has looked at the disk. Nothing is mounted.
package configdisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/guest/tools/isofile"
)

// Label is the volume label of the config disk (design.md, "The guest contract").
const Label = "STACKCFG"

// ErrNotFound is returned when no disk has the label.
var ErrNotFound = errors.New("no disk has this label")

// Read returns the files in the root directory of the first disk whose label is label. sysBlock is the directory that
// names the block devices (/sys/block), dev the one that has their nodes (/dev).
func Read(sysBlock, dev, label string) (map[string][]byte, error) {
	entries, err := os.ReadDir(sysBlock)
	if err != nil {
		return nil, fmt.Errorf("configdisk: %w", err)
	}
	for _, entry := range entries {
		if !isDisk(entry.Name()) {
			continue
		}
		files, err := readLabelled(filepath.Join(dev, entry.Name()), label)
		if err != nil {
			return nil, fmt.Errorf("configdisk: %s: %w", entry.Name(), err)
		}
		if files != nil {
			return files, nil
		}
	}
	return nil, fmt.Errorf("configdisk: %s: %w", label, ErrNotFound)
}

// isDisk leaves out the devices that only cost time: a loop or RAM disk is never what the host attached.
func isDisk(name string) bool {
	for _, prefix := range []string{"loop", "ram", "zram", "fd", "dm-", "md"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return true
}

// readLabelled returns nil without an error when the disk is another one: not readable, not ISO 9660, other label.
func readLabelled(path, label string) (map[string][]byte, error) {
	disk, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	defer disk.Close()
	if found, err := isofile.Label(disk); err != nil || found != label {
		return nil, nil
	}
	return isofile.ReadFiles(disk)
}
