// Package unixsock makes and dials unix sockets that only their owner can use, at paths of any length where the kernel
// allows it.
//
// The address of a unix socket holds 107 bytes on Linux and 103 on macOS. On Linux a longer path is reached through an
// open handle of its directory, /proc/self/fd/N/name; elsewhere through a short link to it.
package unixsock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/stackemu/stackemu/qemu/internal/wire"
)

// Listen makes a listening socket with mode 0600 at path, in the place of a socket that a dead process has left there.
// Anything else at path is an error. Closing the listener leaves the path: whoever holds a copy of the descriptor goes on
// listening.
func Listen(path string) (*net.UnixListener, error) {
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	var l net.Listener
	err := withAddress(path, func(address string) error {
		config := net.ListenConfig{Control: private}
		var err error
		l, err = config.Listen(context.Background(), "unix", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", path, wire.Bare(err))
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		u.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	return u, nil
}

// Dial connects to the socket at path.
func Dial(ctx context.Context, path string) (*net.UnixConn, error) {
	var c net.Conn
	err := withAddress(path, func(address string) error {
		var d net.Dialer
		var err error
		c, err = d.DialContext(ctx, "unix", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", path, wire.Bare(err))
	}
	return c.(*net.UnixConn), nil
}

// removeStale removes a socket at path and refuses anything else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is in the way: it is no socket", path)
	}
	return os.Remove(path)
}
