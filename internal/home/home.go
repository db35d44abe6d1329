// Package home knows the name of every file that stackemu keeps on disk: no other package joins such a path by itself.
// Below $STACK_EMULATOR_HOME there are:
//
//	images/stack-emulator-<arch>.qcow2      the image, and next to it its sidecar (.json) and its lock
//	images/stack-emulator-<arch>.savevm.*   other names of the captured VM, if it is of the mapped-ram format
//	snapshots/<key>/                        captured VMs
//	run/<instance>/                         one folder per instance; the default instance's is run/vm
//
// Folders are made with mode 0700, because sockets, disks and keys of the emulator are in them.
package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Home is the set of folders that all instances share. The paths are as they were given: absolute ones are the
// caller's duty, because a background process may run in another working directory.
type Home struct {
	Dir       string
	Images    string // below Dir unless EMULATOR_IMAGE_DIR says otherwise
	Snapshots string
	Run       string // below Dir unless EMULATOR_RUN_DIR says otherwise
	Cache     string // answers that are asked once per host: accelerator, QEMU's capabilities
}

// New is the home in its usual form.
func New(dir string) Home {
	return Home{
		Dir:       dir,
		Images:    filepath.Join(dir, "images"),
		Snapshots: filepath.Join(dir, "snapshots"),
		Run:       filepath.Join(dir, "run"),
		Cache:     filepath.Join(dir, "cache"),
	}
}

// Create makes the folders that are missing.
func (h Home) Create() error {
	for _, dir := range []string{h.Dir, h.Images, h.Run, h.Cache} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("home: %w", err)
		}
	}
	return nil
}

// PortsFile tells which host ports the instances have.
func (h Home) PortsFile() string { return filepath.Join(h.Run, "ports.json") }

// PortsLock is held by who changes it.
func (h Home) PortsLock() string { return filepath.Join(h.Run, "ports.lock") }

// Image is the files of one image.
type Image struct {
	Disk    string // the qcow2 file, read-only once it is there
	Sidecar string // JSON: source, digest, size, profile
	Lock    string // held by who writes the image
	Partial string // what has arrived of one that is being pulled; beside it what is known of that (.json)
	New     string // the pulled one while it is checked

	// The names that the product's own tools have for what is captured from the image: RAM and devices, packed, the same
	// unpacked, and, which those tools do without, the disk as it was at that moment.
	Savevm, SavevmRaw, SavevmDisk string
}

// Image is where the image for arch (amd64, arm64) is.
func (h Home) Image(arch string) Image {
	return ImageAt(filepath.Join(h.Images, "stack-emulator-"+arch+".qcow2"))
}

// ImageAt names the files that belong to an image at another place.
func ImageAt(disk string) Image {
	savevm := strings.TrimSuffix(disk, ".qcow2") + ".savevm"
	return Image{Disk: disk, Sidecar: disk + ".json", Lock: disk + ".lock", Partial: disk + ".part", New: disk + ".new",
		Savevm: savevm + ".zst", SavevmRaw: savevm + ".raw", SavevmDisk: savevm + ".disk.qcow2"}
}

// placeholderSize is what the product's tools use for the disks that only the build needs.
const placeholderSize = 1 << 20

// Placeholder makes, if need be, the empty disk that stands in for the seed and the bundle disk after the build, and
// returns its path. All instances share it: it is only ever read. It is 1 MiB of zeros, stored as a hole.
func (h Home) Placeholder() (string, error) {
	path := filepath.Join(h.Images, "placeholder.img")
	if info, err := os.Stat(path); err == nil && info.Size() == placeholderSize {
		return path, nil
	}
	if err := writePlaceholder(path); err != nil {
		return "", fmt.Errorf("home: placeholder disk: %w", err)
	}
	return path, nil
}

func writePlaceholder(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".placeholder-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // in vain, and harmless, once it is renamed
	if err := errors.Join(file.Truncate(placeholderSize), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// tighten makes a folder that another program made for all to read ours alone.
func tighten(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(dir, fs.FileMode(0o700))
}
