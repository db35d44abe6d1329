//go:build !linux

package doctor

import "golang.org/x/sys/unix"

// hostMemory is this machine's memory in bytes. What is left of it is not told in a way that means much.
func hostMemory() (total, available int64, err error) {
	size, err := unix.SysctlUint64("hw.memsize")
	return int64(size), 0, err
}
