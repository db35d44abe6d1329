// Package mounts tells what is mounted where.
package mounts

import (
	"os"
	"strings"
)

// Self is the mount table of the calling process.
const Self = "/proc/self/mountinfo"

// At returns the types of the file systems that are mounted on dir, the lowest first; none when dir is no mount point.
// table is a mountinfo file (proc(5)): its fifth field is the mount point, the type follows " - ".
func At(table, dir string) ([]string, error) {
	data, err := os.ReadFile(table)
	if err != nil {
		return nil, err
	}
	var types []string
	for line := range strings.Lines(string(data)) {
		place, source, found := strings.Cut(line, " - ")
		fields := strings.Fields(place)
		if !found || len(fields) < 5 || fields[4] != dir {
			continue
		}
		kind, _, _ := strings.Cut(source, " ")
		types = append(types, kind)
	}
	return types, nil
}
