package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// This file gives a mapped-ram snapshot the names that the product's own tools have for it, beside the image. They are
// links that lead through the link of the snapshot's key (see internal/snapshot): what is published under the key in one step
// is published under these names in the same step, so that they may be made before. They are for people and other tools:
// nothing is opened by them here.
//
// A file under such a name that is no link is another program's. Its disk layer is lost: over the bare image, its RAM would
// believe in files that are not there.

// foreignSuffix is added to the name of another program's file that is in the way.
const foreignSuffix = ".original"

// whyForeign is why such a file is not resumed.
const whyForeign = "it has no manifest of ours: other tools wrote it, without the disk that belongs to it, and resuming it would damage the guest's files"

// nameSnapshot makes the names, and says what becomes of another program's file: it stays, but not in the way. A failure is
// none of the run.
func (b *Boot) nameSnapshot() {
	image := b.home.Image(b.config.Arch)
	if b.parts.Format != snapshot.MappedRAM {
		if b.Way == Capture && isFile(image.Savevm) {
			b.note("%s is not resumed: %s", filepath.Base(image.Savevm), whyForeign)
		}
		return
	}
	if isFile(image.Savevm) {
		b.note("%s is not resumed, and is now %s: %s", filepath.Base(image.Savevm), filepath.Base(image.Savevm)+foreignSuffix, whyForeign)
	}
	files := snapshot.FilesUnder(b.home.Snapshots, b.parts.Key())
	err := errors.Join(name(files.Packed, image.Savevm), name(files.Savevm, image.SavevmRaw), name(files.Disk, image.SavevmDisk))
	if err != nil {
		b.note("the snapshot has no names beside the image: %v", err)
	}
}

func (b *Boot) note(format string, args ...any) {
	b.Notes = append(b.Notes, fmt.Sprintf(format, args...))
}

// name makes a link to target. What is there that is no link is renamed.
func name(target, link string) error {
	if now, err := os.Readlink(link); err == nil && now == target {
		return nil
	}
	if isFile(link) {
		if err := os.Rename(link, link+foreignSuffix); err != nil {
			return err
		}
	}
	return renameio.Symlink(target, link)
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
