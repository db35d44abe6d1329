package sparse

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// clone puts a file that shares all blocks of from, where the file system can (APFS), in the place of the one that to is.
// The kernel insists on making that file itself. After an error nothing has changed.
func clone(to, from *os.File) error {
	name := to.Name()
	shadow := name + ".clone"
	if err := unix.Fclonefileat(int(from.Fd()), unix.AT_FDCWD, shadow, 0); err != nil {
		return err
	}
	err := os.Chmod(shadow, 0o600)
	if err == nil {
		err = os.Rename(shadow, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(shadow))
	}
	return nil
}
