package session

import (
	"syscall"
	"time"
)

// goesAway waits for the end of a process that is nobody's child.
func goesAway(pid int) bool {
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil || isZombie(pid) {
			return true
		}
	}
	return false
}
