package sparse

import (
	"os"

	"golang.org/x/sys/unix"
)

// clone makes the empty file to share all blocks of from, where the file system can (XFS, Btrfs). After an error nothing
// has changed.
func clone(to, from *os.File) error {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}
