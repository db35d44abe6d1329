package snapshot

import (
	"fmt"
	"os"
	"syscall"
)

// identity is how a file is known to be the same and unchanged without reading it. The time of change of its inode is left
// out, because instances make and remove hard links to it.
type identity struct {
	Size  int64  `json:"size"` // bytes
	Inode uint64 `json:"inode"`
	MTime int64  `json:"mtimeNs"` // of the content, since the epoch
}

func identityOf(f *os.File) (identity, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	return identityIn(info)
}

func identityIn(info os.FileInfo) (identity, error) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return identity{}, fmt.Errorf("%s is not a file", info.Name())
	}
	return identity{info.Size(), stat.Ino, info.ModTime().UnixNano()}, nil
}

// differs says what has happened to a file since it was sealed, or nil.
func (i identity) differs(now identity) error {
	switch {
	case now.Size != i.Size:
		return fmt.Errorf("is %d bytes long, and was %d", now.Size, i.Size)
	case now.Inode != i.Inode:
		return fmt.Errorf("is another file than the one that was captured")
	case now.MTime != i.MTime:
		return fmt.Errorf("was written to after the capture")
	}
	return nil
}
