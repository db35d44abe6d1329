package session

import (
	"fmt"
	"os"
	"strings"
)

// isZombie tells whether a process has ended and waits for a parent who does not care.
func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}
