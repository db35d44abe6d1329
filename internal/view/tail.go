package view

import (
	"bytes"
	"os"
	"time"
)

// tailBytes is how far from its end a file is read: more than a terminal has columns, in any script.
const tailBytes = 1024

// Tail follows a text file that something else appends to, or replaces. It is for [View.Follow], which asks ten times a
// second: that costs a stat, and a short read when the file has changed.
type Tail struct {
	path  string
	since time.Time
	read  os.FileInfo // what was last read
	line  string
}

// NewTail makes a tail of the file at path, which need not be there yet. A file that was last written before since is
// about something else, and has no lines.
func NewTail(path string, since time.Time) *Tail { return &Tail{path: path, since: since} }

// LastLine is the last line that is not blank, also one that is not finished; "" when there is none.
func (t *Tail) LastLine() string {
	info, err := os.Stat(t.path)
	if err != nil || info.ModTime().Before(t.since) {
		return ""
	}
	if t.read == nil || !os.SameFile(info, t.read) || info.Size() != t.read.Size() {
		t.read, t.line = info, lastLine(t.path, info.Size())
	}
	return t.line
}

func lastLine(path string, size int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	end := make([]byte, min(size, tailBytes))
	n, _ := f.ReadAt(end, size-int64(len(end))) // what was read before an error is good
	lines := bytes.FieldsFunc(end[:n], func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		if line := clean(string(lines[i])); line != "" {
			return line
		}
	}
	return ""
}
