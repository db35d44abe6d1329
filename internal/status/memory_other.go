//go:build !linux

package status

// MemoryOf gives nil: only Linux tells what a process shares.
func MemoryOf(int) *Memory { return nil }
