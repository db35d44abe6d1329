package session

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// openTerminal makes a terminal. A Read of our end of it has deadlines: the library's own end has none, for every ioctl of the
// library makes it block.
func openTerminal() (ours, theirs *os.File, err error) {
	blocking, theirs, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		_ = theirs.Close()
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), blocking.Name()), theirs, nil
}

// drainPause is how long a terminal whose program has ended has to be silent before nothing more is waited for. What the
// program has written is there at once.
const drainPause = 100 * time.Millisecond

// terminal is our end of a program's terminal.
type terminal struct {
	*os.File
	draining atomic.Bool
}

// resize does nothing for a terminal that is closed.
func (t *terminal) resize(s Size) {
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: s.Rows, Col: s.Cols})
		})
	}
}

// drain ends a Read that waits, and every later one that would.
func (t *terminal) drain() {
	t.draining.Store(true)
	_ = t.SetReadDeadline(time.Now().Add(drainPause))
}

// Read ends with the last of the processes on the terminal, too.
func (t *terminal) Read(p []byte) (int, error) {
	if t.draining.Load() {
		_ = t.SetReadDeadline(time.Now().Add(drainPause))
	}
	n, err := t.File.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

// WriteTo hides that of the file, which would read past the above.
func (t *terminal) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{t})
}
