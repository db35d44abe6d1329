package download

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free is the room, in bytes, that an ordinary user has on the disk of a directory.
func Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// spare is left free: a disk that is full to the last byte stops more than a download.
const spare = 64 << 20

// Room says with a [*SpaceError] that need more bytes, and something to spare, do not fit. A disk that does not tell is
// trusted.
func Room(dir string, need int64) error {
	have, err := Free(dir)
	if err == nil && need > 0 && have < need+spare {
		return &SpaceError{Dir: dir, Need: need + spare, Have: have}
	}
	return nil
}
