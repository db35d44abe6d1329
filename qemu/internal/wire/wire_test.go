package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stackemu/stackemu/qemu/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// FuzzReadLine compares with the plain way, for whole and for single bytes.
func FuzzReadLine(f *testing.F) {
	for _, text := range []string{"", "\n", "a\n", " a \r\n\r\nb", "a\x00\xff\n\n\nb\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want [][]byte
		parts := bytes.Split(text, []byte("\n"))
		for _, p := range parts[:len(parts)-1] {
			if p = bytes.TrimSpace(p); len(p) > 0 {
				want = append(want, p)
			}
		}
		end := io.EOF
		if len(bytes.TrimSpace(parts[len(parts)-1])) > 0 {
			end = io.ErrUnexpectedEOF
		}
		for _, r := range []io.Reader{bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text))} {
			in := bufio.NewReaderSize(r, 16)
			for i := 0; ; i++ {
				line, err := wire.ReadLine(in)
				if err != nil {
					if i != len(want) || !errors.Is(err, end) {
						t.Errorf("%d lines of %d, then %v", i, len(want), err)
					}
					break
				}
				if i >= len(want) || !bytes.Equal(line, want[i]) {
					t.Fatalf("line %d is %q", i, line)
				}
			}
		}
	})
}

func TestTooLong(t *testing.T) {
	endless := io.LimitReader(zeros{}, wire.MaxLine+1<<20)
	if _, err := wire.ReadLine(wire.NewReader(endless)); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("got %v", err)
	}
}

// zeros is an endless line.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// The deadline is gone when the call is over: the next one has all the time of the world.
func TestInterruptibleLeavesNoDeadline(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	buf := make([]byte, 1)
	read := func() error { _, err := a.Read(buf); return err }
	cause := errors.New("enough")
	for range 20 {
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Millisecond, cause)
		if err := wire.Interruptible(ctx, a.SetReadDeadline, read); !errors.Is(err, cause) {
			t.Fatalf("got %v", err)
		}
		cancel()
	}
	go b.Write([]byte("x")) //nolint:errcheck // seen by the reader
	if err := wire.Interruptible(context.Background(), a.SetReadDeadline, read); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	err := wire.Interruptible(over, a.SetReadDeadline, func() error { t.Error("it ran"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWriteTellsAPartFromNothing(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	if whole, err := wire.Write(short(), a, []byte("hello")); !whole || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing: %v, %v", whole, err)
	}
	go b.Read(make([]byte, 2)) //nolint:errcheck // takes a part
	if whole, err := wire.Write(short(), a, []byte("hello")); whole || err == nil {
		t.Errorf("a part: %v, %v", whole, err)
	}
	go io.ReadFull(b, make([]byte, 5)) //nolint:errcheck // takes all
	if whole, err := wire.Write(short(), a, []byte("hello")); !whole || err != nil {
		t.Errorf("all: %v, %v", whole, err)
	}
}

func TestLock(t *testing.T) {
	l := wire.NewLock()
	if err := l.Acquire(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := l.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	l.Release()
	if err := l.Acquire(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestBare(t *testing.T) {
	_, err := net.Dial("unix", "/no/such/socket")
	if err == nil || strings.Contains(wire.Bare(err).Error(), "socket") {
		t.Errorf("got %v", wire.Bare(err))
	}
	if wire.Bare(io.EOF) != io.EOF {
		t.Error("another error was changed")
	}
}
