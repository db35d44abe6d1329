package unixsock

import (
	"fmt"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxAddress is the longest path that fits into sun_path together with its closing zero.
const maxAddress = 107

// withAddress calls f with an address that leads to path.
func withAddress(path string, f func(address string) error) error {
	if len(path) <= maxAddress {
		return f(path)
	}
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open its directory: %w", err)
	}
	defer unix.Close(dir)
	address := fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(path))
	if len(address) > maxAddress {
		return fmt.Errorf("the last part of the path is %d bytes too long for a socket", len(address)-maxAddress)
	}
	return f(address)
}

// private sets the mode that the socket's file is made with: Linux takes it from the descriptor, so that there is no
// moment in which others could connect.
func private(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }); cerr != nil {
		return cerr
	}
	return err
}
