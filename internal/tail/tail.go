// Package tail copies the end of a log file, and what is appended to it.
//
// A file that is replaced (a log that was rotated, a console log of a new boot) is followed under its name: the rest of the old
// one is copied, then the new one from its start. A file that has become shorter is begun anew.
package tail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Options say what of a file to copy.
type Options struct {
	Lines  int  // how many lines before the end to begin; all of them if negative
	Follow bool // go on until the context is done, also while the file is not there

	Reached func() // called once all that was there at first has been written; may be nil
}

// poll is how often a file is looked at. Not every system tells of changes, and nobody reads faster.
const poll = 100 * time.Millisecond

// Copy writes to out. It returns nil at the end of the file, the context's cause when it follows, or out's error. A file that
// is not there is [fs.ErrNotExist].
func Copy(ctx context.Context, out io.Writer, path string, o Options) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { f.Close() }()
	if err := seekLines(f, o.Lines); err != nil {
		return err
	}
	if _, err := io.Copy(out, f); err != nil {
		return err
	}
	if o.Reached != nil {
		o.Reached()
	}
	if !o.Follow {
		return nil
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if _, err := io.Copy(out, f); err != nil {
			return err
		}
		if f, err = successor(f, path, out); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// successor is the file that is to be read on: f, from its start if it has become shorter, or the one that has taken its name.
func successor(f *os.File, path string, out io.Writer) (*os.File, error) {
	mine, err := f.Stat()
	if err != nil {
		return f, err
	}
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil // it may come again
	}
	if err != nil {
		return f, err
	}
	if os.SameFile(mine, now) {
		at, err := f.Seek(0, io.SeekCurrent)
		if err == nil && at > mine.Size() {
			_, err = f.Seek(0, io.SeekStart)
		}
		return f, err
	}
	if _, err := io.Copy(out, f); err != nil { // what was written between the last copy and the change
		return f, err
	}
	next, err := os.Open(path)
	if err != nil {
		return f, nil // it was changed again: the next time
	}
	f.Close()
	return next, nil
}

// seekLines goes to the start of the n-th line from the end. A last line without an end counts.
func seekLines(f *os.File, n int) error {
	if n < 0 {
		return nil
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || n == 0 {
		return err
	}
	block := make([]byte, 32<<10)
	for at := end; at > 0; {
		size := min(at, int64(len(block)))
		at -= size
		if _, err := f.ReadAt(block[:size], at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		text := block[:size]
		for {
			i := bytes.LastIndexByte(text, '\n')
			if i < 0 {
				break
			}
			text = text[:i]
			if at+int64(i)+1 == end {
				continue // the end of the last line
			}
			if n--; n == 0 {
				_, err := f.Seek(at+int64(i)+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}
