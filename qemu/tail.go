package qemu

import (
	"io"
	"os"
)

const (
	// tailSize is how much of standard error an ExitError quotes, in bytes.
	tailSize = 8 << 10
	// maxLog is the size from which on a log is begun anew, in bytes.
	maxLog = 1 << 20
)

// tail is a file that a process writes its standard error to, and whose end can be read afterwards.
type tail struct {
	file  *os.File
	start int64 // where this process began to write
}

// openTail opens the log at path for appending, or a file without a name.
func openTail(path string) (*tail, error) {
	if path == "" {
		f, err := os.CreateTemp("", "stackemu-stderr-")
		if err != nil {
			return nil, err
		}
		os.Remove(f.Name())
		return &tail{file: f}, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > maxLog {
		err = f.Truncate(0)
		info, _ = f.Stat()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tail{f, info.Size()}, nil
}

// read returns the end of what the process has written.
func (t *tail) read() string {
	info, err := t.file.Stat()
	if err != nil {
		return ""
	}
	from := max(t.start, info.Size()-tailSize)
	b, _ := io.ReadAll(io.NewSectionReader(t.file, from, info.Size()-from))
	return string(b)
}

func (t *tail) close() { t.file.Close() }
