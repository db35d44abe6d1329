package qmp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu/qmp"
)

func TestBrokenEnds(t *testing.T) {
	for name, text := range map[string]string{
		"half a line":   `{"return": {}, "id"`,
		"no JSON":       "hello\n",
		"no protocol":   `{"a": 1}` + "\n",
		"no id":         `{"return": {}}` + "\n",
		"no result":     `{"id": "1"}` + "\n",
		"bad command":   `{"error": {"class": "GenericError", "desc": "JSON parse error"}}` + "\n",
		"another id":    `{"return": {}, "id": 7}` + "\n",
		"nothing":       "",
		"broken event":  `{"event": "E", "data": 7}` + "\n",
		"an empty line": "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			q, p := connect(t, nil)
			go func() {
				p.next()
				p.say(text)
				p.c.Close()
			}()
			if err := q.Execute(within(t, patience), "x", nil, nil); !errors.Is(err, qmp.ErrClosed) {
				t.Errorf("got %v", err)
			}
			await(t, "the end", q.Done())
			if q.Err() == nil || strings.Count(q.Err().Error(), "qmp:") != 1 {
				t.Errorf("got %v", q.Err())
			}
		})
	}
}

// A command that is cut in the middle takes the connection with it; one that has not begun does not.
func TestInterruptedWrite(t *testing.T) {
	q, p := connect(t, nil)
	if err := q.Execute(within(t, 20*time.Millisecond), "x", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err) // nobody reads the pipe
	}
	if q.Err() != nil {
		t.Fatalf("the connection ended: %v", q.Err())
	}
	go p.c.Read(make([]byte, 5)) //nolint:errcheck // takes a part of the line
	err := q.Execute(within(t, 200*time.Millisecond), "x", nil, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if !errors.Is(q.Err(), qmp.ErrClosed) {
		t.Errorf("half a command is on the wire, and the connection goes on: %v", q.Err())
	}
}

func TestClose(t *testing.T) {
	q, p := connect(t, nil)
	failed := make(chan error)
	go func() { failed <- q.Execute(within(t, patience), "x", nil, nil) }()
	p.next()
	q.Close()
	q.Close()
	if err := <-failed; !errors.Is(err, qmp.ErrClosed) || err.Error() != "qmp: x: connection closed" {
		t.Errorf("got %v", err)
	}
	await(t, "the end", q.Done())
	if err := q.Quit(within(t, patience)); !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("quit of a closed connection: %v", err)
	}
}

func TestHandshakeFailures(t *testing.T) {
	for name, text := range map[string]string{
		"silence": "", "another protocol": "SSH-2.0\r\n", "JSON": "{}\n",
		"refusal": greeting + `{"error": {"class": "GenericError", "desc": "no"}, "id": "negotiate"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			p := &peer{t, theirs, bufio.NewReader(theirs)}
			go p.say(text)
			go io.Copy(io.Discard, theirs) //nolint:errcheck // ends with the pipe
			if q, err := qmp.New(within(t, 50*time.Millisecond), ours, nil); err == nil {
				q.Close()
				t.Error("it was negotiated")
			} else if !strings.HasPrefix(err.Error(), "qmp: handshake: ") {
				t.Error(err)
			}
		})
	}
}
