// Package hostfs mounts the host's directory in the guest: the virtio-9p device with the tag "hostfs" on /host.
//
// The mount is nosuid and nodev: a file that the host's user made must not give rights in the guest. Mounting again what
// is mounted is a success.
package hostfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stackemu/stackemu/guest/tools/mounts"
)

// Tag and Dir are fixed by the guest contract (design.md).
const (
	Tag = "hostfs"
	Dir = "/host"
)

// options of the 9p mount. msize is the largest message in bytes: the default of 128 KiB costs one exchange with the
// host for each 128 KiB read. access=any: the host side squashes users anyway.
const options = "trans=virtio,version=9p2000.L,msize=524288,access=any"

// firstPause and maxPause bound the pauses between attempts while a hot-plugged device is still being found.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// ErrNoDevice means that no device has the tag.
var ErrNoDevice = errors.New("no 9p device with the tag " + Tag)

// Mount mounts the device once.
func Mount(dir string) error {
	types, err := mounts.At(mounts.Self, dir)
	if err != nil {
		return fmt.Errorf("hostfs: %w", err)
	}
	if slices.Contains(types, "9p") {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("hostfs: %w", err)
	}
	err = unix.Mount(Tag, dir, "9p", unix.MS_NOSUID|unix.MS_NODEV, options)
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("hostfs: %w", ErrNoDevice)
	}
	if err != nil {
		return fmt.Errorf("hostfs: mount %s: %w", dir, err)
	}
	return nil
}

// MountWhenPlugged is [Mount] for a device that is just being plugged in: it tries until ctx ends.
func MountWhenPlugged(ctx context.Context, dir string) error {
	pause := firstPause
	for {
		err := Mount(dir)
		if !errors.Is(err, ErrNoDevice) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		}
	}
}
