package qemu

import (
	"errors"

	"golang.org/x/sys/unix"
)

// endWatch is a kernel queue that tells of the end of one process.
type endWatch struct{ queue int }

// watchEnd watches the process that has a pid now.
func watchEnd(pid int) (*endWatch, error) {
	queue, err := unix.Kqueue()
	if err != nil {
		return nil, err
	}
	var watch unix.Kevent_t
	unix.SetKevent(&watch, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	watch.Fflags = unix.NOTE_EXIT
	if _, err := unix.Kevent(queue, []unix.Kevent_t{watch}, nil, nil); err != nil {
		unix.Close(queue)
		if errors.Is(err, unix.ESRCH) {
			return nil, errGone
		}
		return nil, err
	}
	return &endWatch{queue}, nil
}

// wait returns when the process has ended.
func (w *endWatch) wait() {
	for {
		_, err := unix.Kevent(w.queue, nil, make([]unix.Kevent_t, 1), nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (w *endWatch) Close() error { return unix.Close(w.queue) }
