package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

// This file gives a mapped-ram snapshot the names that the product's own tools have for it, beside the image. They are second
// names of what the store has published, for people and other programs: nothing is opened by them here, so that one that
// leads nowhere, or to an older snapshot, misleads no start. The packed form has a hard link, because zstd ignores symbolic
// ones; the others have links that lead through that of the snapshot's key (internal/snapshot).
//
// A packed file under that name which is none of ours is another program's. Its disk layer is lost: over the bare image, its
// RAM would believe in files that are not there.

// foreignSuffix is added to the name of another program's file that is in the way.
const foreignSuffix = ".original"

// noteForeign says why another program's file is not resumed.
func (b *Boot) noteForeign() {
	path := b.home.Image(b.config.Arch).Savevm
	if !isForeign(path) {
		return
	}
	name, becomes := filepath.Base(path), ""
	if b.HasName() {
		becomes = " but kept as " + name + foreignSuffix
	}
	b.note("%s is not resumed%s: it has no manifest of ours, so that other tools have written it, without the disk that belongs "+
		"to it; resuming it would damage the guest's files", name, becomes)
}

// note adds a line for the user.
func (b *Boot) note(format string, args ...any) {
	b.Notes = append(b.Notes, fmt.Sprintf(format, args...))
}

// isForeign tells whether there is a packed file that we have not packed.
func isForeign(path string) bool {
	if !isFile(path) {
		return false
	}
	info, err := pack.Inspect(path)
	return err != nil || info.Content < 0
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// HasName tells whether this run's snapshot has names beside the image.
func (b *Boot) HasName() bool { return b.parts.Format == snapshot.MappedRAM }

// Name makes the names of the snapshot that is in use. What is in the way and is not ours is renamed.
func (b *Boot) Name() error {
	image, files := b.home.Image(b.config.Arch), snapshot.FilesUnder(b.home.Snapshots, b.parts.Key())
	err := errors.Join(
		hardLink(files.Packed, image.Savevm, isForeign(image.Savevm)),
		softLink(files.Savevm, image.SavevmRaw),
		softLink(files.Disk, image.SavevmDisk))
	if err != nil {
		return fmt.Errorf("the snapshot has no name beside the image: %w", err)
	}
	return nil
}

// hardLink gives a file a second name, in the place of what has it now.
func hardLink(file, name string, keep bool) error {
	is, err := os.Stat(file)
	if err != nil {
		return err
	}
	if was, err := os.Lstat(name); err == nil && os.SameFile(is, was) {
		return nil
	}
	dir, err := os.MkdirTemp(filepath.Dir(name), ".name-*") // its own: others may be at the same
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fresh := filepath.Join(dir, filepath.Base(name))
	if err := os.Link(file, fresh); err != nil {
		return err
	}
	if keep {
		if err := os.Rename(name, name+foreignSuffix); err != nil {
			return err
		}
	}
	return os.Rename(fresh, name)
}

// softLink makes a symbolic link, in the place of another one.
func softLink(target, name string) error {
	if now, err := os.Readlink(name); err == nil && now == target {
		return nil
	}
	if isFile(name) {
		if err := os.Rename(name, name+foreignSuffix); err != nil {
			return err
		}
	}
	return renameio.Symlink(target, name)
}
