// Package iso writes the small configuration disks of the guest.
//
// It promises an ISO 9660 image with Joliet and Rock Ridge names, a volume label, and exactly the files that it was
// given, flat in the root: what cloud-init (label cidata), the build (STACKBUNDLE) and the runtime configuration
// (STACKCFG) expect. The image appears under its name complete or not at all, readable by its owner only.
package iso

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// blockSize is ISO 9660's sector in bytes.
const blockSize = 2048

// maxFile bounds one file in bytes. These disks carry settings; a mistake should not fill the host's disk.
const maxFile = 64 << 20

var (
	// labels are what ISO 9660 calls d-characters, and the lower case that `cidata` needs; 32 at most.
	labels = regexp.MustCompile(`^[A-Za-z0-9_]{1,32}$`)
	// names stay within what Joliet holds (64 characters), without directories.
	names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
)

// Write makes the image at path, labelled label, holding files by name. A file that exists is replaced by rename.
func Write(path, label string, files map[string][]byte) error {
	if err := write(path, label, files); err != nil {
		return fmt.Errorf("iso: %s: %w", filepath.Base(path), err)
	}
	return nil
}

func write(path, label string, files map[string][]byte) error {
	if err := check(label, files); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(path), ".iso-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	image, tree := filepath.Join(work, "image"), filepath.Join(work, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		return err
	}
	for name, data := range padLast(files) {
		if err := os.WriteFile(filepath.Join(tree, name), data, 0o600); err != nil {
			return err
		}
	}
	if err := build(image, tree, label); err != nil {
		return err
	}
	return publish(image, path)
}

func check(label string, files map[string][]byte) error {
	var errs []error
	if !labels.MatchString(label) {
		errs = append(errs, fmt.Errorf("label %q: 1 to 32 letters, digits and underscores are allowed", label))
	}
	for name, data := range files {
		if !names.MatchString(name) {
			errs = append(errs, fmt.Errorf("file name %q: 1 to 63 letters, digits, dots, dashes and underscores are allowed, the first a letter or digit", name))
		}
		if len(data) > maxFile {
			errs = append(errs, fmt.Errorf("file %s: %d bytes are more than %d", name, len(data), maxFile))
		}
	}
	return errors.Join(errs...)
}

// padName sorts after every name that check allows in go-diskfs's order, which is that of the short names: A to Z come
// before the underscore, and no allowed name begins with one.
const padName = "________.pad"

// padLast adds a last file of one byte where a file fills its sectors exactly (or is empty). go-diskfs v1.9.4 then writes one
// sector of zeros too many behind the file; behind the last one lies the Joliet root directory.
func padLast(files map[string][]byte) map[string][]byte {
	out := make(map[string][]byte, len(files)+1)
	for name, data := range files {
		out[name] = data
		if len(data)%blockSize == 0 {
			out[padName] = []byte("\n")
		}
	}
	return out
}

func build(image, tree, label string) (err error) {
	out, err := os.OpenFile(image, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	fsys, err := iso9660.Create(file.New(out, false), 0, 0, blockSize, tree)
	if err != nil {
		return err
	}
	err = fsys.Finalize(iso9660.FinalizeOptions{VolumeIdentifier: label, RockRidge: true, Joliet: true})
	if err != nil {
		return err
	}
	return wholeBlocks(out)
}

// wholeBlocks rounds the file up (the last path table is written unpadded, and a disk has no half sectors) and syncs it.
func wholeBlocks(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := f.Truncate((info.Size() + blockSize - 1) / blockSize * blockSize); err != nil {
		return err
	}
	return f.Sync()
}

// publish gives the image, which is on stable storage, its name, and makes that name survive a crash too.
func publish(image, path string) error {
	if err := os.Rename(image, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
