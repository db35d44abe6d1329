// Package view is how a running command talks to a person: lines that stay, and on a terminal below them a block that
// is redrawn in place and shows what is going on right now.
//
// On a plain stream (a file, a pipe, a dumb terminal) every event is one line and nothing is ever redrawn. Text that
// comes from elsewhere (the guest's console, error messages) is stripped of control characters before it is written,
// so that nothing but this package can move the cursor.
//
// All methods may be called from any goroutine. On a terminal the block is redrawn at most ten times a second by one
// goroutine, which Close stops; on a plain stream there is no goroutine and a method returns when its line is written.
// A write that fails is forgotten: a person who closed the terminal is no reason to stop the emulator.
package view

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// redrawEvery bounds how often the block is drawn. The eye follows tenths of a second, a slow link does not need more.
const redrawEvery = 100 * time.Millisecond

// Level is how much a line matters.
type Level int

// The levels: Warn and Error lines are marked by a word, and by a colour where there are colours.
const (
	Info Level = iota
	Warn
	Error
)

// Service is the row of one service while an instance starts.
type Service struct {
	Name    string
	Healthy bool
	Took    time.Duration // from the start of the instance until the service was first healthy
	Note    string        // why it is not healthy yet
}

// URL is where a person finds a service.
type URL struct{ Name, URL string }

// View writes to one stream. Its zero value is not usable: call New.
type View struct {
	out      io.Writer
	terminal bool
	style    style
	screen   screen // touched by the drawing goroutine, and by Close after that has ended

	mu        sync.Mutex
	pending   []string // permanent lines that wait for the next redraw; terminal only
	partial   []byte   // the beginning of a line that Write has not seen the end of
	instances []*instance
	panel     *panel // nil without one
	closed    bool

	closing sync.Once
	stop    chan struct{}
	stopped chan struct{}
	pausing chan pause
}

// Detect tells how to call New for a file: whether it is a terminal that can be redrawn, and whether to leave out
// colours. It honours NO_COLOR (set to anything but nothing) and TERM=dumb. What runs in CI is read later, as a file, even where it has
// been given a terminal.
func Detect(file *os.File, lookup func(string) (string, bool)) (isTerminal, noColor bool) {
	value := func(name string) string { v, _ := lookup(name); return v }
	isTerminal = term.IsTerminal(int(file.Fd())) && value("TERM") != "dumb" && (value("CI") == "" || value("CI") == "false")
	return isTerminal, value("NO_COLOR") != ""
}

// New makes a view that writes to out. The caller must Close it, on a terminal above all: the cursor is hidden.
func New(out io.Writer, isTerminal, noColor bool) *View {
	v := &View{
		out:      out,
		terminal: isTerminal,
		style:    style{color: isTerminal && !noColor},
		screen:   screen{out: out},
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
		pausing:  make(chan pause),
	}
	if isTerminal {
		go v.draw()
	} else {
		close(v.stopped)
	}
	return v
}

// Close removes the block, writes what is pending, and gives the cursor back. Methods that are called later write
// plain lines. Close may be called twice.
func (v *View) Close() {
	v.closing.Do(func() {
		close(v.stop)
		<-v.stopped
		v.mu.Lock()
		defer v.mu.Unlock()
		if len(v.partial) > 0 {
			v.permanent(clean(string(v.partial)))
			v.partial = nil
		}
		if v.terminal {
			v.screen.leave(v.pending)
		}
		v.pending, v.closed = nil, true
	})
}

// Line writes a line that stays. The text may have several lines.
func (v *View) Line(level Level, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.permanent(v.style.level(level, clean(text)))
}

// maxPartial bounds what is kept of a line that has not ended, in bytes.
const maxPartial = 64 << 10

// Write makes the view a writer for logs: each line of p stays, above the block. It never fails.
func (v *View) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.partial = append(v.partial, p...)
	for {
		line, rest, found := bytes.Cut(v.partial, []byte("\n"))
		if !found && len(line) < maxPartial {
			return len(p), nil
		}
		v.permanent(clean(string(line)))
		v.partial = bytes.Clone(rest)
	}
}

// State tells that an instance has entered a state, since after its start. The detail is a few words or empty. Telling
// the same state and detail again changes nothing.
func (v *View) State(name, state string, since time.Duration, detail string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.enter(name, oneLine(state), since, oneLine(detail))
}

// Services tells how an instance's services are, all or some of them. On a plain stream a line is written for each that
// has become healthy, or is no longer.
func (v *View) Services(name string, services []Service) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := v.instance(name)
	for _, s := range services {
		s.Name, s.Note = oneLine(s.Name), oneLine(s.Note)
		if changed := i.set(s); changed && !v.live() {
			v.permanent(serviceLine(i, s))
		}
	}
}

// Serial tells the last line of an instance's console. It is shown in the block only.
func (v *View) Serial(name, line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.instance(name).hear([]string{line})
}

// Follow is Serial again and again: lastLines is asked for at most so many before each redraw, until the instance is ready or, in a
// panel, as long as the log is shown; always by the same goroutine, and on a plain stream never.
func (v *View) Follow(name string, lastLines func(count int) []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.instance(name).console = lastLines
}

// Ready tells that an instance has become ready, since after its start, how in a word or two, and where its services are.
func (v *View) Ready(name string, since time.Duration, how string, urls []URL) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.enter(name, stateReady, since, oneLine(how))
	v.instance(name).urls = cleanURLs(urls)
	if v.live() {
		v.permanent(v.style.good(stateLine(oneLine(name), stateReady, since, oneLine(how))))
	}
	if v.live() && v.panel != nil {
		return // they are in the block
	}
	for _, line := range urlLines(urls) {
		v.permanent(line)
	}
}

// Gone takes an instance out of the block, because it has ended.
func (v *View) Gone(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remove(name)
}

// Live tells whether there is a block that is redrawn: where there is none, whatever is told is a line.
func (v *View) Live() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.live()
}

// live is whether there is a block now.
func (v *View) live() bool { return v.terminal && !v.closed }

// permanent writes a line that stays: at once on a plain stream, with the next redraw on a terminal.
func (v *View) permanent(line string) {
	if v.live() {
		v.pending = append(v.pending, line)
		return
	}
	_, _ = io.WriteString(v.out, line+"\n")
}

// draw is the drawing goroutine. The lock is not held while it writes: a terminal that has been halted (Ctrl-S) must
// not halt who tells the view something.
func (v *View) draw() {
	defer close(v.stopped)
	ticker := time.NewTicker(redrawEvery)
	defer ticker.Stop()
	for paused := false; ; {
		select {
		case <-v.stop:
			return
		case p := <-v.pausing:
			if paused = p.on; paused {
				v.screen.leave(nil)
			}
			close(p.done)
			continue
		case <-ticker.C:
		}
		if paused {
			continue
		}
		v.listen()
		_, height := v.screen.size()
		v.mu.Lock()
		lines, block := v.pending, v.block(time.Now(), height-1)
		v.pending = nil
		v.mu.Unlock()
		v.screen.redraw(lines, block)
	}
}

// listen asks what is followed for its last lines. The lock is not held meanwhile: a disk may be slow.
func (v *View) listen() {
	v.mu.Lock()
	followed := map[*instance]func(int) []string{}
	count := 1
	if v.panel != nil {
		count = logLines
	}
	for _, i := range v.instances {
		if i.console != nil && (i.state != stateReady || v.panel.showsLog()) {
			followed[i] = i.console
		}
	}
	v.mu.Unlock()
	for i, lastLines := range followed {
		lines := lastLines(count)
		v.mu.Lock()
		i.hear(lines)
		v.mu.Unlock()
	}
}
