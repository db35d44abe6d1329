package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer tells whose process is at the other end of a connection: of the one that has connected, or that had begun to listen.
func peer(c *net.UnixConn) (uid, pid int, err error) {
	var cred *unix.Ucred
	err = onDescriptor(c, func(fd int) (err error) {
		cred, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return int(cred.Uid), int(cred.Pid), nil
}
