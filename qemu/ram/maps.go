package ram

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// file is what tells one file from another.
type file struct {
	major, minor uint32 // of its device
	inode        uint64
}

// is reports whether f, as a mapping has it, is the file that stat calls want. File systems without a device of their own
// (btrfs, overlayfs) have the major number 0 in stat, and may have any other device in mappings: for them the inode has to
// do; another file with that number is not mapped as a whole, in the right length.
func (f file) is(want file) bool {
	return f.inode == want.inode && (want.major == 0 || f.major == want.major && f.minor == want.minor)
}

// mapping is a part of a file in a process's memory.
type mapping struct {
	address uint64 // of its first byte
	length  uint64
	offset  uint64 // of its first byte in the file
	shared  bool
	file    file
}

// errMaps is the error of a line that is none of /proc/PID/maps.
var errMaps = errors.New("unreadable list of mappings")

// parseMapping reads a line of /proc/PID/maps: "7f00-7f10 rw-p 00000000 fe:01 1234   /path". The path is not looked at.
func parseMapping(line []byte) (mapping, error) {
	fields := bytes.Fields(line)
	if len(fields) < 5 || len(fields[1]) != 4 {
		return mapping{}, fmt.Errorf("%w: %.80q", errMaps, line)
	}
	from, to, dash := bytes.Cut(fields[0], []byte("-"))
	major, minor, colon := bytes.Cut(fields[3], []byte(":"))
	var m mapping
	var end, hi, lo uint64
	for _, n := range []struct {
		text []byte
		base int
		bits int
		into *uint64
	}{
		{from, 16, 64, &m.address}, {to, 16, 64, &end}, {fields[2], 16, 64, &m.offset},
		{major, 16, 32, &hi}, {minor, 16, 32, &lo}, {fields[4], 10, 64, &m.file.inode},
	} {
		v, err := strconv.ParseUint(string(n.text), n.base, n.bits)
		if err != nil {
			return mapping{}, fmt.Errorf("%w: %.80q", errMaps, line)
		}
		*n.into = v
	}
	if !dash || !colon || end <= m.address || m.offset > math.MaxInt64 || end-m.address > math.MaxInt64-m.offset {
		return mapping{}, fmt.Errorf("%w: %.80q", errMaps, line)
	}
	m.length, m.file.major, m.file.minor, m.shared = end-m.address, uint32(hi), uint32(lo), fields[1][3] == 's'
	return m, nil
}

// findMappings returns the mappings of a whole file of a size, by their place in it. If there are several files that could
// be it (see [file.is]), it is the one that is mapped as a whole.
func findMappings(maps []byte, want file, size int64) ([]mapping, error) {
	found := map[file][]mapping{}
	for line := range bytes.Lines(maps) {
		m, err := parseMapping(line)
		if err != nil {
			return nil, err
		}
		if m.file.is(want) {
			found[m.file] = append(found[m.file], m)
		}
	}
	err := ErrNotMapped
	for _, mappings := range found {
		slices.SortFunc(mappings, func(a, b mapping) int { return cmp.Compare(a.offset, b.offset) })
		if err = cover(mappings, size); err == nil {
			return mappings, nil
		}
	}
	return nil, err
}

// cover refuses mappings that are not the whole file of a size, privately and once.
func cover(mappings []mapping, size int64) error {
	var end uint64
	for _, m := range mappings {
		if m.shared {
			return ErrShared
		}
		if m.offset != end {
			return fmt.Errorf("%w in one piece: %#x follows %#x", ErrNotMapped, m.offset, end)
		}
		end += m.length
	}
	if end != uint64(size) {
		return fmt.Errorf("%w as a whole: %d of %d bytes", ErrNotMapped, end, size)
	}
	return nil
}
