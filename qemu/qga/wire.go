package qga

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/stackemu/stackemu/qemu/internal/wire"
)

// sentinel is a byte that is part of no UTF-8 text, and so of no JSON: it resets the agent's parser, and marks the answer
// of a delimited sync.
const sentinel = 0xff

// request is one command on the wire.
type request struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
}

// reply is one answer of the agent.
type reply struct {
	value json.RawMessage
	err   *Error
}

// parse makes a reply of a line.
func parse(line []byte) (reply, error) {
	var m struct {
		Return json.RawMessage `json:"return"`
		Error  *Error          `json:"error"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return reply{}, fmt.Errorf("bad line %.80q: %w", line, err)
	}
	if m.Error == nil && m.Return == nil {
		return reply{}, fmt.Errorf("bad line %.80q: neither a result nor an error", line)
	}
	return reply{m.Return, m.Error}, nil
}

// send writes a command on a synchronised channel; from then on an answer is due.
func (g *Client) send(name string, args any) error {
	if err := g.sync(); err != nil {
		return err
	}
	line, err := json.Marshal(request{name, args})
	if err != nil {
		return err
	}
	g.synced = false
	_, err = g.conn.Write(append(line, '\n'))
	return err
}

// sync empties the channel, unless it is known to be empty.
func (g *Client) sync() error {
	if g.synced {
		return nil
	}
	id := rand.Int64N(1 << 53) // what any JSON reader takes for a whole number
	if _, err := fmt.Fprintf(g.conn, "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%d}}\n", id); err != nil {
		return err
	}
	for {
		ok, err := readSync(g.r, id)
		if ok {
			g.synced = true
		}
		if ok || err != nil {
			return err
		}
	}
}

// readSync drops everything up to the next sentinel and reports whether the line after it answers the sync with an id.
// Another sync's answer is a late one, and an error line is the answer to what was half on the wire.
func readSync(r *bufio.Reader, id int64) (bool, error) {
	for {
		_, err := r.ReadSlice(sentinel)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return false, err
		}
	}
	line, err := wire.ReadLine(r)
	if err != nil {
		return false, err
	}
	// More sentinels in the line: an answer that was cut off by the next one.
	line = line[bytes.LastIndexByte(line, sentinel)+1:]
	answer, err := parse(line)
	if err != nil || answer.err != nil {
		return false, nil
	}
	var got int64
	return json.Unmarshal(answer.value, &got) == nil && got == id, nil
}
