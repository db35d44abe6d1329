//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func cutMonitor(x *target) (func(), error) { return nil, x.cut(x.files.MonitorSock) }

func cutAgent(x *target) (func(), error) { return nil, x.cut(x.files.AgentSock) }

// cut ends the connections that QEMU has on one of its sockets, behind the back of both ends.
func (x *target) cut(path string) error {
	vm, err := x.vm()
	if err != nil {
		return err
	}
	sockets, err := connected(path)
	if err != nil {
		return err
	}
	pidfd, err := unix.PidfdOpen(vm.PID, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", vm.PID))
	if err != nil {
		return err
	}
	found := 0
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !sockets[target] {
			continue
		}
		n, err := strconv.Atoi(filepath.Base(link))
		if err != nil {
			return err
		}
		fd, err := unix.PidfdGetfd(pidfd, n, 0)
		if err != nil {
			return skip{err} // it takes the right to trace QEMU
		}
		err = errors.Join(unix.Shutdown(fd, unix.SHUT_RDWR), unix.Close(fd))
		if err != nil {
			return err
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("nobody is connected to %s", path)
	}
	return nil
}

// connected are the ends of connections that were accepted at a path, as /proc/PID/fd names them.
func connected(path string) (map[string]bool, error) {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil, err
	}
	const established = "03"
	found := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		// Num RefCount Protocol Flags Type St Inode Path
		if f := strings.Fields(line); len(f) == 8 && f[5] == established && f[7] == path {
			found["socket:["+f[6]+"]"] = true
		}
	}
	return found, nil
}
