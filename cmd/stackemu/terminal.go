package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/muesli/cancelreader"
	"golang.org/x/term"

	"github.com/stackemu/stackemu/internal/session"
)

// ourTerminal is what ours is like, for a program that gets one of its own.
func ourTerminal() *session.Terminal {
	kind := os.Getenv("TERM")
	if kind == "" {
		kind = "dumb"
	}
	return &session.Terminal{Type: kind, Size: terminalSize()}
}

// terminalSize is the size of the terminal that a user sees; zero where there is none.
func terminalSize() session.Size {
	for _, f := range []*os.File{os.Stdout, os.Stdin, os.Stderr} {
		if cols, rows, err := term.GetSize(int(f.Fd())); err == nil {
			return session.Size{Rows: uint16(rows), Cols: uint16(cols)}
		}
	}
	return session.Size{}
}

// takeTerminal tells of changes of the terminal's size, and passes its keys on as they are, if keys are wanted, until restore.
func takeTerminal(keys bool) (sizes <-chan session.Size, restore func(), err error) {
	reset := func() {}
	if stdin := int(os.Stdin.Fd()); keys && term.IsTerminal(stdin) {
		before, err := term.MakeRaw(stdin)
		if err != nil {
			return nil, nil, err
		}
		reset = func() { _ = term.Restore(stdin, before) }
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	said, done, ended := make(chan session.Size), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-changed:
			case <-done:
				return
			}
			select {
			case said <- terminalSize():
			case <-done:
				return
			}
		}
	}()
	return said, func() {
		signal.Stop(changed)
		close(done)
		<-ended
		reset()
	}, nil
}

// cancellable makes a file's Read return when done is called, where it can wait: a regular file has no need of that.
func cancellable(file *os.File) (in io.Reader, done func()) {
	r, err := cancelreader.NewReader(file)
	if err != nil {
		return file, func() {}
	}
	return r, func() { r.Cancel() }
}
