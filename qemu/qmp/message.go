package qmp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stackemu/stackemu/qemu/internal/wire"
)

// message is one line of QEMU: an event, or the answer to the command with the id.
type message struct {
	raw    []byte // the line, for go-qemu's callers
	event  *Event
	id     string
	result json.RawMessage // of a success
	err    *Error          // of a failure
}

// answer is what a command's caller gets.
type answer struct {
	raw    []byte
	result json.RawMessage
	err    error
}

func (m message) answer() answer {
	if m.err != nil {
		return answer{raw: m.raw, err: m.err}
	}
	return answer{raw: m.raw, result: m.result}
}

// readMessage reads and parses the next line.
func readMessage(r *bufio.Reader) (message, error) {
	line, err := wire.ReadLine(r)
	if err != nil {
		return message{}, err
	}
	return parse(line)
}

// parse makes a message of a line. What is none of the protocol is an error: after it nothing on the wire can be trusted.
func parse(line []byte) (message, error) {
	var m struct {
		ID     *string         `json:"id"`
		Event  string          `json:"event"`
		Return json.RawMessage `json:"return"`
		Error  *Error          `json:"error"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("bad line %.80q: %w", line, err)
	}
	switch {
	case m.Event != "":
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return message{}, fmt.Errorf("bad event %.80q: %w", line, err)
		}
		return message{raw: line, event: &e}, nil
	case m.ID == nil && m.Error != nil:
		// QEMU could not even read the id: a command of ours was broken.
		return message{}, fmt.Errorf("QEMU understood a command not at all: %w", m.Error)
	case m.ID == nil:
		return message{}, fmt.Errorf("bad line %.80q: neither an event nor an answer", line)
	case m.Error != nil:
		return message{raw: line, id: *m.ID, err: m.Error}, nil
	case m.Return == nil:
		return message{}, fmt.Errorf("bad line %.80q: an answer without a result", line)
	}
	return message{raw: line, id: *m.ID, result: m.Return}, nil
}

// errNoGreeting is the error of a socket that something else answers on.
var errNoGreeting = errors.New("no QMP greeting")

// parseGreeting returns the version of QEMU from the first line of a connection.
func parseGreeting(line []byte) (Version, error) {
	var g struct {
		QMP *struct {
			Version Version `json:"version"`
		} `json:"QMP"`
	}
	if err := json.Unmarshal(line, &g); err != nil || g.QMP == nil {
		return Version{}, fmt.Errorf("%w in %.80q", errNoGreeting, line)
	}
	return g.QMP.Version, nil
}
