package trace

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// followPause is how long a follower waits before it looks again.
const followPause = 100 * time.Millisecond

// Follow calls each with every record that is written to the log at path from now on, until ctx is done. A log that is not there
// yet, is set aside or removed is no error.
func Follow(ctx context.Context, path string, each func(*Record)) error {
	t := newFollower(path, func(r *Record) {
		if r.Kind != kindRun {
			each(r)
		}
	})
	defer t.close()
	return t.run(ctx)
}

// newFollower begins at the end of the log: what is in it already has happened before.
func newFollower(path string, each func(*Record)) *follower {
	t := &follower{path: path, each: each}
	if f, err := os.Open(path); err == nil {
		_, _ = f.Seek(0, io.SeekEnd) // of a regular file
		t.take(f)
	}
	return t
}

func (t *follower) run(ctx context.Context) error {
	tick := time.NewTicker(followPause)
	defer tick.Stop()
	for {
		if err := t.read(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

type follower struct {
	path string
	each func(*Record)
	file *os.File
	in   *bufio.Reader
	line []byte // the beginning of a line that is not whole yet
}

func (t *follower) take(f *os.File) {
	t.close()
	t.file, t.in, t.line = f, bufio.NewReader(f), nil
}

func (t *follower) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// read reads what is new, and goes over to the next segment when there is one.
func (t *follower) read() error {
	for {
		if t.file != nil {
			if err := t.drain(); err != nil {
				return err
			}
		}
		next, err := t.next()
		if next == nil || err != nil {
			return err
		}
		t.take(next)
	}
}

// next is the file that has taken the log's name meanwhile; nil if there is none.
func (t *follower) next() (*os.File, error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || t.file == nil {
		return f, err
	}
	now, err1 := f.Stat()
	was, err2 := t.file.Stat()
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if os.SameFile(now, was) {
		return nil, f.Close()
	}
	return f, t.drain() // what was written between the last look and the change
}

func (t *follower) drain() error {
	for {
		part, err := t.in.ReadBytes('\n')
		t.line = append(t.line, part...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r, ok := parse(t.line); ok {
			t.each(r)
		}
		t.line = t.line[:0]
	}
}
