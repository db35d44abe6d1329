package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"

	"github.com/stackemu/stackemu/internal/tail"
)

// LogLine is a line of a log. One that is longer than [MaxLogLine] comes in pieces.
type LogLine struct {
	Source string `json:"source"`
	Line   string `json:"line"`
}

// MaxLogLine bounds what a guest that never ends a line makes us keep, in bytes.
const MaxLogLine = 64 << 10

// maxLogLines is how many lines before its end a log can begin. Who wants all of it reads the file.
const maxLogLines = 10_000

// LogLines is a writer that hands the lines of a log to Tell, whose error ends it.
type LogLines struct {
	Source string
	Tell   func(LogLine) error
	rest   []byte // what has come of a line that has not ended
}

func (w *LogLines) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, after, ended := bytes.Cut(w.rest, []byte("\n"))
		switch {
		case !ended && len(line) < MaxLogLine:
			return len(p), nil
		case len(line) > MaxLogLine:
			line, after = line[:MaxLogLine], w.rest[MaxLogLine:]
		}
		if err := w.tell(line); err != nil {
			return 0, err
		}
		w.rest = after
	}
}

func (w *LogLines) tell(line []byte) error {
	return w.Tell(LogLine{w.Source, string(bytes.TrimSuffix(line, []byte("\r")))})
}

// Close tells what has no end.
func (w *LogLines) Close() error {
	if len(w.rest) == 0 {
		return nil
	}
	return w.tell(w.rest)
}

// logs sends the end of a log as NDJSON, and with follow what is appended to it, as long as somebody listens.
func (v *Server) logs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	source := cmp.Or(query.Get("source"), "supervisor")
	path, known := v.supervisor.Logs()[source]
	lines, notLines := strconv.ParseUint(cmp.Or(query.Get("lines"), "200"), 10, 32)
	follow, notFollow := strconv.ParseBool(cmp.Or(query.Get("follow"), "false"))
	if !known || notLines != nil || notFollow != nil || lines > maxLogLines {
		refuse(w, http.StatusBadRequest, &Error{Code: CodeRequest, Message: fmt.Sprintf("%q: want the source of a log, lines from 0 to %d, and follow as true or false", r.URL.RawQuery, maxLogLines)})
		return
	}
	ctx, end := context.WithCancel(r.Context())
	defer end()
	defer context.AfterFunc(v.sessions, end)()
	flusher, encoder := http.NewResponseController(w), json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := &LogLines{Source: source, Tell: func(l LogLine) error { return encoder.Encode(l) }}
	err := tail.Copy(ctx, flushed{out, flusher.Flush}, path, tail.Options{Lines: int(lines), Follow: follow, Reached: func() { _ = flusher.Flush() }})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		refuse(w, http.StatusNotFound, &Error{Code: CodeNoLog, Message: "there is no such log yet", Retryable: true})
	case err == nil:
		_ = out.Close()
	}
}

// flushed is a writer whose reader does not wait.
type flushed struct {
	io.Writer
	flush func() error
}

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	return n, errors.Join(err, f.flush())
}

// Logs calls f for the last lines of a log, and with follow for those that are appended to it, until the supervisor is gone, ctx is done,
// or f has an error, which it returns.
func (c *Client) Logs(ctx context.Context, source string, lines int, follow bool, f func(LogLine) error) error {
	query := url.Values{"source": {source}, "lines": {strconv.Itoa(lines)}, "follow": {strconv.FormatBool(follow)}}
	response, err := c.do(ctx, http.MethodGet, "/v1/logs?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return read(response, nil)
	}
	for d := json.NewDecoder(response.Body); ; {
		var line LogLine
		switch err := d.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("control: a log that cannot be read: %w", err)
		}
		if err := f(line); err != nil {
			return err
		}
	}
}
