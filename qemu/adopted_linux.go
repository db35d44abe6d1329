package qemu

import (
	"errors"

	"golang.org/x/sys/unix"
)

// endWatch is a handle of a process (pidfd_open(2)).
type endWatch struct{ fd int }

// watchEnd holds on to the process that has a pid now.
func watchEnd(pid int) (*endWatch, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	return &endWatch{fd}, nil
}

// wait returns when the process has ended: then its handle is readable.
func (w *endWatch) wait() {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (w *endWatch) Close() error { return unix.Close(w.fd) }
