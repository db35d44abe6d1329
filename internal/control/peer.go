package control

import (
	"net"
	"os"
)

// onDescriptor calls f with a connection's descriptor.
func onDescriptor(c *net.UnixConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := raw.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// ours tells whether the process at the other end is one of this user.
func ours(c *net.UnixConn) bool {
	uid, _, err := peer(c)
	return err == nil && uid == os.Getuid()
}

// ownersOnly is a listener that hangs up on everybody but the processes of this user.
type ownersOnly struct {
	*net.UnixListener
	ours func(*net.UnixConn) bool
}

func (l ownersOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if l.ours(c) {
			return c, nil
		}
		_ = c.Close()
	}
}
