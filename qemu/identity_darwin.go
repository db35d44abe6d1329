package qemu

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// errGone is the error of a process that has ended.
var errGone = errors.New("is gone")

// zombie is SZOMB of sys/proc.h.
const zombie = 5

// BootID names this boot of the host; another boot has another one.
func BootID() (string, error) {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return "", fmt.Errorf("qemu: boot id: %w", err)
	}
	return id, nil
}

// startOf returns when a process began, in microseconds. A zombie is gone.
func startOf(pid int) (string, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid || info.Proc.P_stat == zombie {
		return "", errGone
	}
	t := info.Proc.P_starttime
	return fmt.Sprintf("%d.%06d", t.Sec, t.Usec), nil
}
