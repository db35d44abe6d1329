package ram

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/stackemu/stackemu/qemu"
)

// Errors to be told apart.
var (
	// ErrUnsupported: this system does not let a program see another's pages.
	ErrUnsupported = errors.New("saving private RAM works on Linux only")
	// ErrNotMapped: the process has not mapped the file, or not all of it.
	ErrNotMapped = errors.New("the RAM file is not mapped")
	// ErrShared: the file is mapped with share=on, and has everything already.
	ErrShared = errors.New("the RAM file is shared: nothing is private")
	// ErrGone: the process has ended, and its RAM with it.
	ErrGone = errors.New("the process is gone")
)

// PermissionError is a process whose memory the kernel does not let us read.
type PermissionError struct {
	PID   int
	Scope int // kernel.yama.ptrace_scope, or -1 where there is no such thing
	Err   error
}

// Error says why, and what follows.
func (e *PermissionError) Error() string {
	why := "it belongs to another user, or may not be traced"
	switch e.Scope {
	case 1:
		why = "kernel.yama.ptrace_scope is 1 and the process was started by another one, or it belongs to another user"
	case 2:
		why = "kernel.yama.ptrace_scope is 2: only root may"
	case 3:
		why = "kernel.yama.ptrace_scope is 3: nobody may, until the next boot"
	}
	return fmt.Sprintf("the memory of process %d cannot be read (%s), so that its guest's RAM cannot be saved: %v", e.PID, why, e.Err)
}

// Unwrap gives the system's error.
func (e *PermissionError) Unwrap() error { return e.Err }

// Run is a piece of RAM, in bytes, by its place in the RAM file.
type Run struct{ Offset, Length int64 }

// Bytes returns how much the runs are together.
func Bytes(runs []Run) int64 {
	var n int64
	for _, r := range runs {
		n += r.Length
	}
	return n
}

// Private returns the pages of the RAM file base that the process has private copies of, in order, as runs that are as long
// as can be. It takes some 10 ms for 4 GiB. base is what os.Stat says about the file; of a file that is gone, what it said
// before.
func Private(ctx context.Context, id qemu.Identity, base os.FileInfo) ([]Run, error) {
	var runs []Run
	err := examine(ctx, id, base, func(p *process) error {
		runs = p.runs
		return nil
	})
	return runs, err
}

// Save writes the private pages to dst, at the places that they have in the RAM file, and returns how many bytes that is.
// dst is a copy of the RAM file, or the file itself if nobody else uses it; it stays the caller's, who syncs it. Where pages
// are zero, dst gets holes if its file system has them. progress, which may be nil, is told how many bytes of all are done.
//
// After an error dst is of no use. The guest has to be paused.
func Save(ctx context.Context, id qemu.Identity, base os.FileInfo, dst *os.File, progress func(done, total int64)) (int64, error) {
	var n int64
	err := examine(ctx, id, base, func(p *process) error {
		var err error
		n, err = p.copyTo(ctx, dst, progress)
		return err
	})
	return n, err
}
