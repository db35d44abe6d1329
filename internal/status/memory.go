package status

import (
	"bytes"
	"strconv"
)

// parseMemory reads the lines of smaps_rollup, such as "Private_Dirty:  1234 kB"; nil when the ones that matter are missing.
func parseMemory(text []byte) *Memory {
	var m Memory
	found := 0
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 || string(fields[2]) != "kB" {
			continue
		}
		kib, err := strconv.ParseInt(string(fields[1]), 10, 64)
		if err != nil {
			continue
		}
		switch string(fields[0]) {
		case "Private_Clean:", "Private_Dirty:":
			m.Private += kib << 10
			found++
		case "Shared_Clean:", "Shared_Dirty:":
			m.Shared += kib << 10
			found++
		}
	}
	if found != 4 {
		return nil
	}
	return &m
}
