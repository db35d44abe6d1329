// Package rotate writes a log file that does not grow for ever: at its limit it is set aside as <path>.1, in the place of the
// one before, and a new one is begun. Every line gets the time at which it was begun.
package rotate

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
)

// stamp is the form of a line's time.
const stamp = "2006-01-02T15:04:05.000Z07:00 "

// File is the log. Its methods may be called from any goroutine.
type File struct {
	path string
	max  int64
	swap func(*os.File) error
	now  func() time.Time

	mu     sync.Mutex
	file   *os.File
	size   int64
	inLine bool // a line was begun and has not ended
}

// Open appends to the file at path, mode 0600, which has max bytes at most, and the one set aside as many. swap is called with
// the file and with each that takes its place, so that other descriptors can follow; it may be nil.
func Open(path string, max int64, swap func(*os.File) error) (*File, error) {
	f := &File{path: path, max: max, swap: swap, now: time.Now}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && f.swap != nil {
		err = f.swap(file)
	}
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write writes p. It never fails: a full disk is no reason to stop what is logged about.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return len(p), nil
	}
	var out bytes.Buffer
	for line := range bytes.Lines(p) {
		if !f.inLine {
			out.WriteString(f.now().Format(stamp))
		}
		out.Write(line)
		f.inLine = line[len(line)-1] != '\n'
	}
	n, _ := f.file.Write(out.Bytes())
	if f.size += int64(n); f.size >= f.max && !f.inLine {
		f.turn()
	}
	return len(p), nil
}

// turn begins a new file. If that fails the old one goes on.
func (f *File) turn() {
	old := f.file
	if os.Rename(f.path, f.path+".1") != nil {
		return
	}
	if f.open() == nil {
		old.Close()
	}
}

// Close ends the log. What is written later is lost.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
