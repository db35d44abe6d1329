// Package mounts tells what is mounted where.
package mounts

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Self is the mount table of the calling process.
const Self = "/proc/self/mountinfo"

// Mounted is one mount.
type Mounted struct {
	Type     string // of the file system
	Source   string // a device, or what the file system calls one
	ReadOnly bool
}

func (m Mounted) String() string {
	return fmt.Sprintf("%s %q (read-only: %v)", m.Type, m.Source, m.ReadOnly)
}

// unescape undoes what the kernel does to characters that separate fields (proc(5)).
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`)

// At returns what is mounted on dir, the lowest first; nothing when dir is no mount point. table is a mountinfo file
// (proc(5)): its fifth field is the mount point, the sixth are the mount's options, type and source follow " - ".
func At(table, dir string) ([]Mounted, error) {
	data, err := os.ReadFile(table)
	if err != nil {
		return nil, err
	}
	var there []Mounted
	for line := range strings.Lines(string(data)) {
		place, rest, found := strings.Cut(line, " - ")
		fields, system := strings.Fields(place), strings.Fields(rest)
		if !found || len(fields) < 6 || len(system) < 2 || unescape.Replace(fields[4]) != dir {
			continue
		}
		there = append(there, Mounted{system[0], unescape.Replace(system[1]), slices.Contains(strings.Split(fields[5], ","), "ro")})
	}
	return there, nil
}
