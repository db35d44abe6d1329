package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer tells whose process is at the other end of a connection: of the one that has connected, or that had begun to listen.
func peer(c *net.UnixConn) (uid, pid int, err error) {
	var cred *unix.Xucred
	err = onDescriptor(c, func(fd int) (err error) {
		if cred, err = unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err != nil {
			return err
		}
		pid, err = unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return int(cred.Uid), pid, nil
}
