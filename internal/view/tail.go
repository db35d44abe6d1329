package view

import (
	"bytes"
	"os"
	"slices"
	"time"
)

// tailBytes is how far from its end a file is read, for each line that is wanted: more than a terminal has columns, in any script.
const tailBytes = 1024

// Tail follows a text file that something else appends to, or replaces. It is for [View.Follow], which asks ten times a
// second: that costs a stat, and a short read when the file has changed.
type Tail struct {
	path  string
	since time.Time
	read  os.FileInfo // what was last read
	asked int         // for how many lines
	lines []string
}

// NewTail makes a tail of the file at path, which need not be there yet. A file that was last written before since is
// about something else, and has no lines.
func NewTail(path string, since time.Time) *Tail { return &Tail{path: path, since: since} }

// LastLines are the last lines that are not blank, count at most, also one that is not finished.
func (t *Tail) LastLines(count int) []string {
	info, err := os.Stat(t.path)
	if err != nil || info.ModTime().Before(t.since) {
		return nil
	}
	if t.read == nil || !os.SameFile(info, t.read) || info.Size() != t.read.Size() || count != t.asked {
		t.read, t.asked, t.lines = info, count, lastLines(t.path, info.Size(), count)
	}
	return t.lines
}

func lastLines(path string, size int64, count int) (last []string) {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	end := make([]byte, min(size, int64(count)*tailBytes))
	n, _ := f.ReadAt(end, size-int64(len(end))) // what was read before an error is good
	lines := bytes.FieldsFunc(end[:n], func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0 && len(last) < count; i-- {
		if line := clean(string(lines[i])); line != "" {
			last = append(last, line)
		}
	}
	slices.Reverse(last)
	return last
}
