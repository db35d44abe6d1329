package status

import (
	"fmt"
	"os"
)

// MemoryOf asks the kernel what a process has in memory; nil when it does not tell.
func MemoryOf(pid int) *Memory {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return nil
	}
	return parseMemory(text)
}
