package pack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// DamagedError tells that a packed file is not what it should be: truncated, changed, or no zstd file at all.
type DamagedError struct{ Err error }

func (e *DamagedError) Error() string { return "damaged: " + e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// placing is an error of who takes the content.
type placing struct{ error }

func (e placing) Unwrap() error { return e.error }

// judge tells an error of reading or writing, and the end of a context, from what is wrong with the bytes that were read.
func judge(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, ok := errors.AsType[placing](err); ok {
		return err
	}
	_, system := errors.AsType[*fs.PathError](err)
	_, call := errors.AsType[*os.SyscallError](err)
	if (system || call) && !errors.Is(err, syscall.EIO) { // EIO: the disk has lost it
		return err
	}
	return &DamagedError{err}
}
