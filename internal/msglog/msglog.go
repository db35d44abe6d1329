// Package msglog writes the message log: one JSON object on one line for every message that an actor has handled, and for
// what else explains the time that passed (see [Kind]). docs/trace.md describes the fields; internal/trace reads them.
//
// It promises that a record which [Log.Write] has returned from survives a kill -9 of this process (it is in the kernel's
// hands), that all files of a log together never grow past [MaxBytes] and one record, and that trouble with the file (a full
// disk) never reaches the actors: records are then dropped and counted.
package msglog

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// MaxBytes is what the log of an instance may take: a ring of segments, the live file first, then <path>.1 and so on. The
// oldest one is forgotten as a whole.
const (
	MaxBytes     = 16 << 20
	Segments     = 4
	segmentBytes = MaxBytes / Segments
)

// SchemaVersion is that of the records. New fields do not change it.
const SchemaVersion = 1

// Kind is what a record is about.
type Kind string

// The kinds. All but Message are written as the record's "kind".
const (
	Message    Kind = ""            // a message that was handled
	Run        Kind = "run"         // a process has begun to write here; numbers start anew
	External   Kind = "external"    // a wait for something outside the process, by work off a mailbox
	Failure    Kind = "failure"     // a child has failed; told to its supervisor
	DeadLetter Kind = "dead-letter" // a message to somebody who is gone
	Dropped    Kind = "dropped"     // a result of work off a mailbox that nobody waits for any more
)

// Off is where a message came from when it was not sent by an actor that handled another one.
type Off string

// The ways off the mailbox.
const (
	Work  Off = "work"  // the result of work, which took Record.OffTook
	Timer Off = "timer" // a timer, which was set for Record.OffTook
	Event Off = "event" // something outside has spoken
)

// timeFormat is that of a record's time: UTC or local as the clock has it, to the microsecond.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// Record is one handled message.
type Record struct {
	Kind     Kind
	At       time.Time     // when its handling began
	Seq      uint64        // its number, counted over the whole process in the order of handling
	Parent   uint64        // the number of the message that was being handled when this one was sent; 0 for none
	Instance string        // whose it is
	Attempt  string        // the start attempt that it belongs to
	From, To string        // sender and receiver, as paths in the tree
	Type     string        // the message's type without its package
	Before   string        // the receiver's state before; empty for actors without states
	After    string        // its state after
	Wait     time.Duration // time in the mailbox; 0 where it is not known
	Took     time.Duration // time of handling
	Off      Off           // how it came, if not from an actor
	OffTook  time.Duration // how long the work or the timer took
	Detail   string        // what it is about, of types that have no body
	Body     any           // what is written of the message itself; nil for nothing
	Failure  string        // why the handler, or the child, failed
	Stack    []byte        // where, after a panic
}

// Log takes records from any goroutine. Until it is attached to a file it keeps them.
type Log struct {
	console zerolog.Logger
	began   time.Time // where the monotonic clock of the records begins

	mu      sync.Mutex
	early   []Record
	path    string
	file    *os.File
	size    int64
	dropped int
}

// New makes a log that also writes each record to console at trace level.
func New(console zerolog.Logger) *Log { return &Log{console: console, began: time.Now()} }

// ConsoleOnly makes a log that never has a file, for actors that belong to no instance.
func ConsoleOnly(console zerolog.Logger) *Log {
	return &Log{console: console, began: time.Now(), path: "none"}
}

// Attach opens the file, appends to it what was kept so far, and from now on every record. The caller must hold the
// instance's lock: two processes would tear each other's lines.
func (l *Log) Attach(path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path != "" {
		return nil
	}
	l.path = path
	if err := l.open(); err != nil {
		l.path = "" // it may be tried again
		return fmt.Errorf("message log: %w", err)
	}
	early := l.early
	l.early = nil
	l.append(Record{Kind: Run, At: l.began, Type: "run", Body: run{SchemaVersion, os.Getpid()}})
	for _, r := range early {
		l.append(r)
	}
	return nil
}

// run is the body of the record that each process begins with.
type run struct {
	Schema int `json:"schema"`
	PID    int `json:"pid"`
}

func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	endLine(f, l.size)
	return nil
}

// endLine ends the last line of a process that was killed while it wrote: what follows must not be glued to it.
func endLine(f *os.File, size int64) {
	last := []byte{'\n'}
	if _, err := f.ReadAt(last, size-1); err == nil && last[0] != '\n' {
		_, _ = f.WriteString("\n")
	}
}

// Write adds one record.
func (l *Log) Write(r Record) {
	if e := l.console.Trace(); e != nil {
		r.fill(e, l.began).Msg("message") // with the console's own time
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" {
		l.early = append(l.early, r)
		return
	}
	l.append(r)
}

func (l *Log) append(r Record) {
	if l.size >= segmentBytes {
		l.rotate()
	}
	if l.file == nil {
		return
	}
	zl := zerolog.New(counting{l})
	r.fill(zl.Log().Str("time", r.At.Format(timeFormat)), l.began).Send()
}

// counting is the file as zerolog sees it.
type counting struct{ l *Log }

func (c counting) Write(p []byte) (int, error) {
	n, err := c.l.file.Write(p)
	c.l.size += int64(n)
	if err != nil {
		c.l.dropped++ // no disk space for a log is no reason to fail
	}
	return len(p), nil
}

func (l *Log) rotate() {
	_ = l.file.Close()
	l.file = nil
	for n := Segments - 1; n > 0; n-- {
		_ = os.Rename(Segment(l.path, n-1), Segment(l.path, n)) // fails for those that are not there yet
	}
	_ = l.open()
}

// Segment is the path of the n-th segment, counted from the live one, which is 0.
func Segment(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}

// Close ends the log. Records that come later are dropped.
func (l *Log) Close() (dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
	l.path, l.early = "closed", nil
	return l.dropped
}

// fill gives the record its documented field names (docs/trace.md).
func (r Record) fill(e *zerolog.Event, began time.Time) *zerolog.Event {
	e.Int64("mono_us", r.At.Sub(began).Microseconds())
	if r.Kind != Message {
		e.Str("kind", string(r.Kind))
	}
	e.Uint64("seq", r.Seq)
	if r.Parent != 0 {
		e.Uint64("parent", r.Parent)
	}
	text := func(key, value string) {
		if value != "" {
			e.Str(key, value)
		}
	}
	text("instance", r.Instance)
	text("attempt", r.Attempt)
	text("from", r.From)
	text("to", r.To)
	text("type", r.Type)
	text("state", r.Before)
	if r.After != r.Before {
		e.Str("next", r.After)
	}
	e.Int64("wait_us", r.Wait.Microseconds()).Int64("took_us", r.Took.Microseconds())
	if r.Off != "" {
		e.Str("off", string(r.Off)).Int64("off_us", r.OffTook.Microseconds())
	}
	text("detail", r.Detail)
	if r.Body != nil {
		e.Interface("body", r.Body)
	}
	text("failure", r.Failure)
	text("stack", string(r.Stack))
	return e
}
