package ram

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/stackemu/stackemu/qemu"
	"golang.org/x/sys/unix"
)

// process is a process whose RAM file has been found.
type process struct {
	mem      *os.File
	mappings []mapping
	runs     []Run
}

// examine finds the private pages of a process and calls do. Before and after it makes sure that it is the process that was
// meant.
func examine(ctx context.Context, id qemu.Identity, base os.FileInfo, do func(*process) error) error {
	if !id.Alive() {
		return fmt.Errorf("ram: process %d: %w", id.PID, ErrGone)
	}
	p, err := open(ctx, id.PID, base)
	if err == nil {
		defer p.mem.Close()
		err = do(p)
	}
	if !id.Alive() {
		return fmt.Errorf("ram: process %d: %w", id.PID, ErrGone) // which is why there is an error, if there is one
	}
	if errors.Is(err, fs.ErrPermission) {
		err = &PermissionError{id.PID, ptraceScope(), err}
	}
	if err != nil {
		return fmt.Errorf("ram: process %d: %w", id.PID, err)
	}
	return nil
}

// open reads what the kernel tells about the process. The open files are of the process's memory, and not of its number.
func open(ctx context.Context, pid int, base os.FileInfo) (*process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	mem, err := os.Open(dir + "/mem")
	if err != nil {
		return nil, err
	}
	p := &process{mem: mem}
	if err := p.find(ctx, dir, base); err != nil {
		mem.Close()
		return nil, err
	}
	return p, nil
}

// find fills in mappings and runs.
func (p *process) find(ctx context.Context, dir string, base os.FileInfo) error {
	maps, err := os.ReadFile(dir + "/maps")
	if err != nil {
		return err
	}
	if p.mappings, err = findMappings(maps, fileOf(base), base.Size()); err != nil {
		return err
	}
	pagemap, err := os.Open(dir + "/pagemap")
	if err != nil {
		return err
	}
	defer pagemap.Close()
	p.runs, err = privateRuns(ctx, pagemap, p.mappings, int64(os.Getpagesize()))
	return err
}

// copyTo writes the private pages.
func (p *process) copyTo(ctx context.Context, dst *os.File, progress func(done, total int64)) (int64, error) {
	return copyRuns(ctx, dst, p, p.runs, progress)
}

// ReadAt reads the process's memory by the place that it has in the RAM file.
func (p *process) ReadAt(b []byte, offset int64) (int, error) {
	for _, m := range p.mappings {
		if in := offset - int64(m.offset); in >= 0 && in < int64(m.length) {
			part := b[:min(int64(len(b)), int64(m.length)-in)]
			n, err := p.mem.ReadAt(part, int64(m.address)+in)
			if n == len(part) && n < len(b) { // the rest is in the next mapping
				more, err := p.ReadAt(b[n:], offset+int64(n))
				return n + more, err
			}
			return n, err
		}
	}
	return 0, io.EOF
}

// fileOf returns what tells a file from others.
func fileOf(info os.FileInfo) file {
	s := info.Sys().(*syscall.Stat_t)
	return file{unix.Major(uint64(s.Dev)), unix.Minor(uint64(s.Dev)), s.Ino}
}

// punch makes a hole, or says that the file system has none.
func punch(f *os.File, offset, length int64) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	perr := raw.Control(func(fd uintptr) {
		err = unix.Fallocate(int(fd), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, length)
	})
	return errors.Join(perr, err)
}

// ptraceScope returns Yama's rule, or -1 where there is none.
func ptraceScope() int {
	text, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		return -1
	}
	scope, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return -1
	}
	return scope
}
