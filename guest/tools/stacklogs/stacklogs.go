// Package stacklogs shows the logs of the stack's services: the files that the container's supervisord writes, each line with the
// name of its service before it.
package stacklogs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/tail"
)

// Dir is where the services write, in the container.
const Dir = "/var/log/stack"

const (
	suffix = ".log"
	// rescan is how often it is looked for a service that has begun to write.
	rescan = time.Second
)

// ErrNone means that there is no folder of logs: the container is another one than the reference stack's.
var ErrNone = errors.New("there are no logs of services")

// Show writes the logs in a folder to out, service by service, and with Follow what is added to them, as it comes.
func Show(ctx context.Context, out io.Writer, dir string, o tail.Options) error {
	names, err := services(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p := &printer{out: out, width: longest(names), ctx: ctx, cancel: cancel}
	defer p.all.Wait()
	defer cancel(nil)
	for _, name := range names {
		if err := p.begin(dir, name, o); err != nil {
			return err
		}
	}
	if !o.Follow {
		return nil
	}
	tick := time.NewTicker(rescan)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now, _ := services(dir) // the folder may come again
		for _, name := range now {
			if slices.Contains(names, name) {
				continue
			}
			names = append(names, name)
			if err := p.begin(dir, name, tail.Options{Lines: -1, Follow: true}); err != nil {
				return err
			}
		}
	}
}

// services are those that have a log, in the order of their names.
func services(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), suffix); ok && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	return names, nil
}

func longest(names []string) (width int) {
	for _, name := range names {
		width = max(width, len(name))
	}
	return width
}

// printer writes whole lines of several services.
type printer struct {
	out   io.Writer
	width int // of the names

	ctx    context.Context
	cancel context.CancelCauseFunc // with what went wrong
	all    sync.WaitGroup          // those that follow

	mu sync.Mutex
}

// begin writes one service's log. It returns when what was there has been written; the rest follows.
func (p *printer) begin(dir, name string, o tail.Options) error {
	reached := make(chan struct{})
	o.Reached = sync.OnceFunc(func() { close(reached) })
	p.all.Go(func() {
		defer o.Reached()
		if err := p.copy(dir, name, o); err != nil {
			p.cancel(err)
		}
	})
	<-reached
	return context.Cause(p.ctx)
}

// copy writes what options say of one service's log. That it is gone is no error.
func (p *printer) copy(dir, name string, o tail.Options) error {
	lines := &liner{p: p, name: name}
	err := tail.Copy(p.ctx, lines, filepath.Join(dir, name+suffix), o)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, lines.flush())
}

// maxLine bounds what is kept of a line that has not ended, in bytes.
const maxLine = 64 << 10

// liner is a writer of one service's lines.
type liner struct {
	p    *printer
	name string
	line []byte // that has not ended yet
}

func (l *liner) Write(text []byte) (int, error) {
	n := len(text)
	for len(text) > 0 {
		part, rest := text, []byte(nil)
		if at := slices.Index(text, '\n'); at >= 0 {
			part, rest = text[:at+1], text[at+1:]
		}
		l.line, text = append(l.line, part...), rest
		if l.line[len(l.line)-1] == '\n' || len(l.line) >= maxLine {
			if err := l.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// flush writes the line that has been begun.
func (l *liner) flush() error {
	if len(l.line) == 0 {
		return nil
	}
	line := append([]byte(l.name+strings.Repeat(" ", max(l.p.width-len(l.name), 0))+" | "), l.line...)
	if line[len(line)-1] != '\n' {
		line = append(line, '\n')
	}
	l.line = l.line[:0]
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	_, err := l.p.out.Write(line)
	return err
}
