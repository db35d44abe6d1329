// Package sparse reads and copies files with holes: stretches that were never written, read as zeros and take no room on
// the disk. The RAM of a guest, as a file, is mostly holes.
//
// On a file system that knows no holes every file is one stretch of data; all here works, and saves nothing.
package sparse

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Extent is a stretch of a file that holds data.
type Extent struct{ Offset, Length int64 }

// End is the offset of the first byte after the extent.
func (e Extent) End() int64 { return e.Offset + e.Length }

// Data returns the extents of f that hold data, in order and apart from each other. What lies between them reads as
// zeros. The file's position is changed. Nobody may write to the file meanwhile.
func Data(f *os.File) ([]Extent, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var extents []Extent
	for at := int64(0); at < info.Size(); {
		e, err := next(f, at, info.Size())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		extents = append(extents, e)
		at = e.End()
	}
	return extents, nil
}

// next is the first extent at or after an offset, or io.EOF.
func next(f *os.File, at, size int64) (Extent, error) {
	start, err := f.Seek(at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO): // nothing but a hole is left
		return Extent{}, io.EOF
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSUP): // no holes here
		return Extent{at, size - at}, nil
	case err != nil:
		return Extent{}, err
	}
	end, err := f.Seek(start, unix.SEEK_HOLE)
	if err != nil {
		return Extent{}, err
	}
	if end = min(end, size); end <= start { // the file grows while it is read
		return Extent{}, io.EOF
	}
	return Extent{start, end - start}, nil
}

// Allocated is the number of bytes that a file takes on the disk.
func Allocated(info os.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512 // the unit of stat(2), whatever the file system has
	}
	return info.Size()
}

// Links is the number of names that a file has.
func Links(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}
