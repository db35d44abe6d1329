package guest

import (
	"fmt"
	"io"
	"path"
	"sort"
)

// cpioFile is one file of an initial RAM disk.
type cpioFile struct {
	Name string // relative, slash-separated
	Mode uint32 // permission bits
	Data []byte
}

// Mode bits of a cpio entry's type.
const (
	cpioDir = 0o040000
	cpioReg = 0o100000
)

// writeCPIO writes files as the kernel's initramfs format (newc: Documentation/driver-api/early-userspace/
// buffer-format.rst). Parent directories are made up; the output depends on the files alone.
func writeCPIO(w io.Writer, files []cpioFile) error {
	out := &cpioWriter{w: w}
	for _, dir := range parents(files) {
		out.entry(dir, cpioDir|0o755, nil)
	}
	for _, f := range files {
		out.entry(f.Name, cpioReg|f.Mode, f.Data)
	}
	out.entry("TRAILER!!!", 0, nil)
	return out.err
}

func parents(files []cpioFile) []string {
	seen := map[string]bool{}
	for _, f := range files {
		for dir := path.Dir(f.Name); dir != "."; dir = path.Dir(dir) {
			seen[dir] = true
		}
	}
	dirs := make([]string, 0, len(seen))
	for dir := range seen {
		dirs = append(dirs, dir)
	}
	sort.Strings(dirs) // a parent sorts before its children
	return dirs
}

type cpioWriter struct {
	w     io.Writer
	inode int
	err   error
}

func (c *cpioWriter) entry(name string, mode uint32, data []byte) {
	c.inode++
	// magic, inode, mode, uid, gid, nlink, mtime, size, device (2), rdev (2), length of the name with its NUL, check
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	c.padded([]byte(header + name + "\x00"))
	c.padded(data)
}

// padded writes data up to the next multiple of four: 110 bytes of header and the name are padded together.
func (c *cpioWriter) padded(data []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(append(data[:len(data):len(data)], make([]byte, (4-len(data)%4)%4)...))
	}
}
