package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/stackemu/stackemu/internal/msglog"
)

// maxLine is the longest line that can be a record: a stack and an error text are far below it.
const maxLine = 1 << 20

// Log is what was read of a message log: the runs of processes, in their order.
type Log struct {
	Runs []*Run
	Torn int // lines that are no records
}

// Run is what one process has written, in the order of its numbers.
type Run struct {
	PID     int
	Records []*Record
	by      map[uint64]*Record
	led     map[uint64][]*Record // by cause
	linked  int                  // how many records were put in order
}

// Read reads a log.
func Read(r io.Reader) (*Log, error) {
	log := &Log{}
	err := log.add(r)
	log.finish()
	return log, err
}

// ReadFiles reads the log at path with all its segments. A log that is not there is an error of [fs.ErrNotExist].
func ReadFiles(path string) (*Log, error) {
	files, err := openSegments(path)
	if err != nil {
		return nil, fmt.Errorf("message log: %w", err)
	}
	log := &Log{}
	for _, f := range files {
		err = errors.Join(err, log.add(f), f.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("message log: %w", err)
	}
	log.finish()
	return log, nil
}

// openSegments opens the oldest segment first in the list, but last in time: a segment that is set aside meanwhile is met
// twice, and never missed.
func openSegments(path string) (files []*os.File, err error) {
	var infos []fs.FileInfo
next:
	for n := range msglog.Segments + 1 {
		f, err := os.Open(msglog.Segment(path, n))
		if errors.Is(err, fs.ErrNotExist) && len(files) > 0 {
			break
		}
		if err != nil && n > 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		for _, known := range infos {
			if os.SameFile(known, info) {
				_ = f.Close()
				continue next
			}
		}
		infos = append(infos, info)
		files = append([]*os.File{f}, files...)
	}
	return files, nil
}

func (l *Log) add(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := readLine(lines)
		if len(line) > 0 {
			l.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads a line without its end. Of one that is too long to be a record it keeps the beginning, which is none either.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line) < maxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
				line = line[:len(line)-1]
			}
			return line, err
		}
	}
}

// parse reads a record. A line that is JSON but has neither number nor type is none.
func parse(line []byte) (*Record, bool) {
	r := &Record{}
	if json.Unmarshal(line, r) != nil || r.Type == "" || r.Time.IsZero() || r.WaitUS < 0 || r.TookUS < 0 || r.OffUS < 0 {
		return nil, false
	}
	return r, true
}

func (l *Log) line(line []byte) {
	if r, ok := parse(line); ok {
		l.record(r)
	} else {
		l.Torn++
	}
}

func (l *Log) record(r *Record) {
	run := l.current()
	if r.Kind == kindRun || run == nil || run.by[r.Seq] != nil { // a number is used once in a process
		run = &Run{by: map[uint64]*Record{}}
		l.Runs = append(l.Runs, run)
	}
	if r.Kind == kindRun {
		var body struct{ PID int }
		_ = json.Unmarshal(r.Body, &body)
		run.PID = body.PID
		return
	}
	run.by[r.Seq] = r
	run.Records = append(run.Records, r)
}

func (l *Log) current() *Run {
	if len(l.Runs) == 0 {
		return nil
	}
	return l.Runs[len(l.Runs)-1]
}

func (l *Log) finish() {
	for _, run := range l.Runs {
		run.link()
	}
}
