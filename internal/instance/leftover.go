package instance

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// This file finds what nobody needs any more of an instance that is held and does not run.

// Runs tells whether its VM runs without a supervisor: then nothing of it is anybody's to remove.
func (i *Instance) Runs() bool {
	id, err := qemu.ReadPID(i.Files.PID)
	return err == nil && id.Alive()
}

// Leftovers are files and directories that no run has any use for: what the next start would remove first, temporary files of
// commands that were killed, and sessions that were set aside before a time.
func (i *Instance) Leftovers(before time.Time) (paths []string) {
	disk, _ := os.Stat(i.Files.Disk)
	for _, path := range i.worthless() {
		if info, err := os.Lstat(path); err == nil && !os.SameFile(info, disk) { // which keeps its first name
			paths = append(paths, path)
		}
	}
	for _, e := range entries(i.Files.Dir) {
		name := e.Name()
		since, isBroken := strings.CutPrefix(name, filepath.Base(i.Files.Session)+brokenMark)
		aside, err := time.Parse(brokenTime, since)
		if isBroken && err == nil && aside.Before(before) {
			paths = append(paths, filepath.Join(i.Files.Dir, name))
		}
	}
	return paths
}

// Discard removes an instance that has no data, and gives the lock back. Who comes meanwhile finds either the instance or none.
func (i *Instance) Discard() error {
	gone, err := os.MkdirTemp(i.home.Run, GonePrefix)
	if err == nil {
		err = os.Rename(i.Files.Dir, filepath.Join(gone, filepath.Base(i.Files.Dir)))
	}
	if err == nil {
		err = i.Close()
	}
	if gone != "" {
		_ = os.RemoveAll(gone) // what is left is garbage that has a name for it
	}
	return err
}

// GonePrefix is what the names of directories begin with that are being removed.
const GonePrefix = ".gone-"

// entries are those of a directory; one that cannot be read has none.
func entries(dir string) []fs.DirEntry {
	all, _ := os.ReadDir(dir)
	return all
}
