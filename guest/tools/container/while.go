package container

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrEnded is the cause of a context of [While] whose container has ended.
var ErrEnded = errors.New("the container has ended")

// While returns a context that ends, with the cause [ErrEnded], when the container whose first process is pid does. It is
// the kernel that tells (pidfd_open(2)). The returned function must be called.
func While(ctx context.Context, pid int) (context.Context, func(), error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil, ErrEnded
	}
	if err != nil {
		return nil, nil, fmt.Errorf("container: pidfd_open: %w", err)
	}
	file := os.NewFile(uintptr(fd), "pidfd") // non-blocking, so that Go's poller waits for it
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := conn.Read(readable); err == nil {
			cancel(ErrEnded)
		}
	}()
	return ctx, func() {
		_ = file.Close() // ends the Read; there is nothing to lose
		<-done
		cancel(nil)
	}, nil
}

// readable says whether a pidfd has become readable, which is its process's end.
func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}
