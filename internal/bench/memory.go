package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// memory is what a process has mapped and in memory, in KiB by the kernel's words for it.
type memory map[string]int

// private is what would be free if the process were gone, in MiB. Pages of a file that no other process has mapped at the
// moment count too.
func (m memory) private() float64 { return float64(m["Private_Clean"]+m["Private_Dirty"]) / 1024 }

// dirty is the part of it that is in no file: it stays in memory, while the rest goes when there is not enough.
func (m memory) dirty() float64 { return float64(m["Private_Dirty"]) / 1024 }

// shared is what others have mapped as well, in MiB.
func (m memory) shared() float64 { return float64(m["Shared_Clean"]+m["Shared_Dirty"]) / 1024 }

// memoryOf asks the kernel.
func memoryOf(pid int) (memory, error) {
	if runtime.GOOS != "linux" {
		return nil, &skip{"only Linux tells what a process shares"}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return nil, fmt.Errorf("memory of QEMU: %w", err)
	}
	return parseMemory(text)
}

// parseMemory reads the lines of smaps_rollup, such as "Private_Dirty:  1234 kB", after the first one.
func parseMemory(text []byte) (memory, error) {
	m := memory{}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || string(fields[2]) != "kB" {
			continue
		}
		n, err := strconv.Atoi(string(fields[1]))
		if err != nil {
			return nil, fmt.Errorf("memory of QEMU: %q", bytes.TrimSpace(line))
		}
		m[string(bytes.TrimSuffix(fields[0], []byte(":")))] = n
	}
	for _, name := range []string{"Private_Clean", "Private_Dirty", "Shared_Clean", "Shared_Dirty"} {
		if _, known := m[name]; !known {
			return nil, fmt.Errorf("memory of QEMU: the kernel does not tell %s", name)
		}
	}
	return m, nil
}
