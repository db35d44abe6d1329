package qemu

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/stackemu/stackemu/qemu/internal/unixsock"
)

// Listen makes a listening unix socket with mode 0600 at path, which may be longer than a socket's address on Linux. A
// left socket of a dead process is replaced: have the instance's lock. The file is for [Command.Files]. Close both once
// [Start] has returned, so that dials fail when QEMU is dead; the path stays until it is removed.
func Listen(path string) (*net.UnixListener, *os.File, error) {
	l, err := unixsock.Listen(path)
	if err != nil {
		return nil, nil, fmt.Errorf("qemu: %w", err)
	}
	f, err := l.File()
	if err != nil {
		l.Close()
		os.Remove(path)
		return nil, nil, fmt.Errorf("qemu: listen %s: %w", path, err)
	}
	return l, f, nil
}

// DialUnix connects to a unix socket at a path of any length that [Listen] takes.
func DialUnix(ctx context.Context, path string) (*net.UnixConn, error) {
	c, err := unixsock.Dial(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	return c, nil
}
