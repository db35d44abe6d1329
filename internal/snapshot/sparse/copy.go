package sparse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// copyStep is how much is copied between two looks at the context, in bytes.
const copyStep = 32 << 20

// Copy makes dst, mode 0600, a private copy of src. Holes stay holes. Where the file system can share blocks until one of
// the files is written to, nothing is copied; else the kernel copies, without a detour through this process.
//
// dst appears under its name, in the place of what was there, when it is whole. It is not on stable storage then: that
// would take longer than the copy.
func Copy(ctx context.Context, dst, src string) error {
	if err := copyFile(ctx, dst, src); err != nil {
		return fmt.Errorf("copy %s to %s: %w", src, dst, err)
	}
	return nil
}

func copyFile(ctx context.Context, dst, src string) (err error) {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer from.Close()
	tmp, err := os.CreateTemp(filepath.Dir(dst), "."+filepath.Base(dst)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if clone(tmp, from) != nil {
		err = copyData(ctx, tmp, from)
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), dst)
}

// copyData copies the extents of one file to another, empty one.
func copyData(ctx context.Context, to, from *os.File) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	extents, err := Data(from)
	if err != nil {
		return err
	}
	for _, e := range extents {
		for at := e.Offset; at < e.End(); at += copyStep {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := copyRange(to, from, at, min(copyStep, e.End()-at)); err != nil {
				return err
			}
		}
	}
	return to.Truncate(info.Size())
}

// copyRange copies some bytes to the same place. Between two files, io.Copy asks the kernel (copy_file_range).
func copyRange(to, from *os.File, at, length int64) error {
	for _, f := range []*os.File{to, from} {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
	}
	_, err := io.CopyN(to, from, length)
	return err
}
