// Package hostfs mounts directories of the host in the guest: virtio-9p devices, known by their tags, on /host or below it.
//
// A mount is nosuid and nodev: a file that the host's user made must not give rights in the guest. Mounting again what is
// mounted is a success.
package hostfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// firstPause and maxPause bound the pauses between attempts while a hot-plugged device is still being found. The kernel
// tells of it by a broadcast only, which udev would pass on; there is none in the guest.
const (
	firstPause = 2 * time.Millisecond
	maxPause   = 100 * time.Millisecond
)

// ErrNoDevice means that no device has the tag.
var ErrNoDevice = errors.New("no 9p device has the tag")

// Mount is one directory of the host.
type Mount struct {
	Tag      string // of the device
	Path     string // in the guest
	ReadOnly bool
}

// Default is the mount of the guest contract.
var Default = Mount{Tag: Tag, Path: Dir}

// Check says whether m is in order: a tag of printable characters that fits the device (31 bytes, as QEMU has it), and a
// path that is dir or below it, without detours.
func (m Mount) Check(dir string) error {
	if m.Tag == "" || len(m.Tag) > 31 || strings.ContainsFunc(m.Tag, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) {
		return fmt.Errorf("hostfs: %q is no tag of a device", m.Tag)
	}
	if filepath.Clean(m.Path) != m.Path || m.Path != dir && !strings.HasPrefix(m.Path, dir+"/") || strings.ContainsRune(m.Path, 0) {
		return fmt.Errorf("hostfs: %q is not %s or below it", m.Path, dir)
	}
	return nil
}

// Try mounts once.
func (m Mount) Try(dir string) error {
	if err := m.Check(dir); err != nil {
		return err
	}
	if err := m.try(dir); err != nil {
		return fmt.Errorf("hostfs: %s on %s: %w", m.Tag, m.Path, err)
	}
	return nil
}

func (m Mount) try(dir string) error {
	there, err := mounts.At(mounts.Self, m.Path)
	if err != nil {
		return err
	}
	for _, mounted := range there {
		if mounted.Type != "9p" {
			continue // the bind mount that makes dir a mount point
		}
		if mounted.Source != m.Tag || mounted.ReadOnly != m.ReadOnly {
			return fmt.Errorf("%s is mounted there", mounted)
		}
		return nil
	}
	place, err := openPlace(dir, m.Path)
	if err != nil {
		return err
	}
	defer place.Close()
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if m.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	err = unix.Mount(m.Tag, fmt.Sprintf("/proc/self/fd/%d", place.Fd()), "9p", flags, options)
	if errors.Is(err, unix.ENOENT) {
		return ErrNoDevice
	}
	return err
}

// openPlace opens the directory to mount on, and makes it if need be. A link that leads out of dir is an error: a directory
// of the host that is mounted on dir may hold any.
func openPlace(dir, path string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	relative, err := filepath.Rel(dir, path)
	if err != nil {
		return nil, err
	}
	if err := root.MkdirAll(relative, 0o755); err != nil {
		return nil, err
	}
	return root.Open(relative)
}

// WhenPlugged is [Mount.Try] for a device that is just being plugged in: it tries until ctx ends.
func (m Mount) WhenPlugged(ctx context.Context, dir string) error {
	return whenPlugged(ctx, func() error { return m.Try(dir) })
}

func whenPlugged(ctx context.Context, try func() error) error {
	pause := firstPause
	for {
		err := try()
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
