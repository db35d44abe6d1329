// Package wire reads and writes the line framing that QMP and the guest agent share: one JSON object per line.
//
// It promises three things that bufio.Scanner and net.Conn do not: a line may be as long as [MaxLine]; a line that has
// been returned belongs to the caller; and an I/O call ends when its context ends, with the connection's deadlines as
// they were before, and an account of whether the stream is still whole.
package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// MaxLine is the longest line that is accepted, in bytes. guest-exec-status may carry 16 MiB of output and as much of
// errors in one line, both in base64; query-qmp-schema needs 236 KB.
const MaxLine = 48 << 20

// ErrTooLong is the error of a line beyond [MaxLine]. The stream is lost with it.
var ErrTooLong = fmt.Errorf("line over %d MiB", MaxLine>>20)

// NewReader returns a buffered reader of a size that suits [ReadLine].
func NewReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }

// ReadLine returns the next line that is not empty, without its end and the blanks around it. The bytes are the caller's.
// A stream that ends inside of a line gives [io.ErrUnexpectedEOF].
func ReadLine(r *bufio.Reader) ([]byte, error) {
	for {
		line, err := readRaw(r, MaxLine)
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

// readRaw returns a copy of all up to and including the next newline.
func readRaw(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, ErrTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// past is a deadline that is over: it makes a pending I/O call return at once.
var past = time.Unix(1, 0)

// Interruptible runs f, which does I/O on c, and makes that I/O fail once ctx ends. set is the deadline that f's I/O
// obeys (c.SetDeadline, c.SetReadDeadline or c.SetWriteDeadline); it is clear again when Interruptible returns. An error
// of f under an ended context comes back as the context's cause.
func Interruptible(ctx context.Context, set func(time.Time) error, f func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		set(past)
	})
	err := f()
	if stop() {
		return err
	}
	<-done // the callback must be over before its deadline is undone
	set(time.Time{})
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Write writes all of b under ctx. whole is false if only a part of b has left: the other side cannot make sense of what
// follows, and the connection is of no use any more.
func Write(ctx context.Context, c net.Conn, b []byte) (whole bool, err error) {
	var n int
	err = Interruptible(ctx, c.SetWriteDeadline, func() error {
		var werr error
		n, werr = c.Write(b)
		return werr
	})
	return n == 0 || n == len(b), err
}

// Bare strips the addresses from a network error: they are the same in every error of one connection, and no help.
func Bare(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err
	}
	var call *os.SyscallError
	if errors.As(op.Err, &call) {
		return call.Err
	}
	return op.Err
}

// Lock is a mutex that a caller can give up on. Its zero value is of no use: see [NewLock].
type Lock chan struct{}

// NewLock returns an open lock.
func NewLock() Lock { return make(Lock, 1) }

// Acquire takes the lock, or returns the cause of ctx's end.
func (l Lock) Acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Release gives the lock back.
func (l Lock) Release() { <-l }
