package main

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/muesli/cancelreader"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// paused is what is redrawn on the terminal: not while the process is stopped by Ctrl-Z.
type paused interface {
	Pause()
	Resume()
}

// keyboard is a terminal whose keys come one by one, unseen, until close. Ctrl-C and Ctrl-Z do what they always do.
type keyboard struct {
	keys   chan rune
	screen paused
	fd     int
	input  cancelreader.CancelReader
	done   chan struct{}
	woken  chan struct{} // the process has been stopped, and goes on
	all    sync.WaitGroup

	mu     sync.Mutex
	before *unix.Termios // as we have found the terminal; nil while it is that way
}

// openKeyboard begins to listen. There is none where the terminal is not ours, as for a job in the background of a shell.
func openKeyboard(file *os.File, screen paused) (*keyboard, bool) {
	k := &keyboard{keys: make(chan rune), screen: screen, fd: int(file.Fd()), done: make(chan struct{}), woken: make(chan struct{}, 1)}
	if !term.IsTerminal(k.fd) || !k.inForeground() {
		return nil, false
	}
	var err error
	if k.input, err = cancelreader.NewReader(file); err != nil {
		return nil, false
	}
	signals := make(chan os.Signal, 4)
	signal.Ignore(syscall.SIGTTIN) // a read in the background fails, and does not stop us
	signal.Notify(signals, syscall.SIGTSTP, syscall.SIGCONT)
	k.take()
	k.all.Go(k.read)
	k.all.Go(func() {
		defer signal.Stop(signals)
		defer k.giveBackInPanic()
		for {
			select {
			case s := <-signals:
				k.jobControl(s)
			case <-k.done:
				return
			}
		}
	})
	return k, true
}

// close gives the terminal back as it was. It may be called twice.
func (k *keyboard) close() {
	select {
	case <-k.done:
		return
	default:
	}
	close(k.done)
	k.input.Cancel()
	k.all.Wait()
	k.giveBack()
}

// jobControl stops the process as Ctrl-Z does, with the terminal as the shell wants it, and takes the terminal when the process
// goes on in its foreground.
func (k *keyboard) jobControl(s os.Signal) {
	if s == syscall.SIGTSTP {
		k.screen.Pause()
		k.giveBack()
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		return // when we go on, that is a SIGCONT
	}
	if k.inForeground() {
		k.take()
		select {
		case k.woken <- struct{}{}:
		default:
		}
	}
	k.screen.Resume()
}

// read passes keys on.
func (k *keyboard) read() {
	defer k.giveBackInPanic()
	for block := make([]byte, 64); ; {
		n, err := k.input.Read(block)
		switch {
		case errors.Is(err, syscall.EIO): // we are in the background
			select {
			case <-k.woken:
			case <-k.done:
				return
			}
		case err != nil:
			return
		}
		for _, key := range pressed(string(block[:n])) {
			select {
			case k.keys <- key:
			case <-k.done:
				return
			}
		}
	}
}

// pressed are the keys in what a terminal has sent. What it sends as an escape sequence, for an arrow for instance, is none of ours:
// ESC [ or ESC O, parameters, and a last byte from 0x40 to 0x7e (ECMA-48).
func pressed(sent string) (keys []rune) {
	escaped, inside := false, false
	for _, r := range sent {
		switch {
		case inside:
			inside = r < 0x40 || r > 0x7e
		case escaped:
			escaped, inside = false, r == '[' || r == 'O'
		case r == '\x1b':
			escaped = true
		default:
			keys = append(keys, r)
		}
	}
	return keys
}

func (k *keyboard) inForeground() bool {
	group, err := unix.IoctlGetInt(k.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// take makes keys come one by one. The terminal's own keys and its line ends stay as they are.
func (k *keyboard) take() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := unix.IoctlGetTermios(k.fd, getTermios)
	if err != nil {
		return
	}
	if k.before == nil {
		before := *now
		k.before = &before
	}
	now.Lflag &^= unix.ICANON | unix.ECHO
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
	_ = unix.IoctlSetTermios(k.fd, setTermios, now)
}

func (k *keyboard) giveBack() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.before != nil && k.inForeground() {
		_ = unix.IoctlSetTermios(k.fd, setTermios, k.before)
	}
	k.before = nil
}

// giveBackInPanic is deferred by goroutines that nobody else clears up after.
func (k *keyboard) giveBackInPanic() {
	if failure := recover(); failure != nil {
		k.giveBack()
		panic(failure)
	}
}
