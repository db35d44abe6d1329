package qmp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	goqmp "github.com/digitalocean/go-qemu/qmp"
	"github.com/digitalocean/go-qemu/qmp/raw"
	"github.com/stackemu/stackemu/qemu/qmp"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": ""}, "capabilities": []}}` + "\r\n"

// peer is the other end of a connection, in the hands of a test.
type peer struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

// connect returns a connection that has been negotiated, and its other end.
func connect(t testing.TB, onEvent func(qmp.Event)) (*qmp.Conn, *peer) {
	t.Helper()
	ours, theirs := net.Pipe()
	p := &peer{t, theirs, bufio.NewReader(theirs)}
	go func() {
		p.say(greeting)
		p.answer(p.next(), `{}`)
	}()
	q, err := qmp.New(within(t, patience), ours, onEvent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close(); theirs.Close(); <-q.Done() })
	return q, p
}

// request is a command as QEMU sees it.
type request struct {
	Execute   string          `json:"execute"`
	Arguments json.RawMessage `json:"arguments"`
	ID        string          `json:"id"`
}

func (p *peer) say(text string) {
	if _, err := io.WriteString(p.c, text); err != nil {
		p.t.Logf("peer: %v", err)
	}
}

func (p *peer) next() request {
	line, err := p.r.ReadBytes('\n')
	var r request
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		p.t.Logf("peer: %v", err)
	}
	return r
}

func answerTo(r request, result string) string {
	return fmt.Sprintf(`{"return": %s, "id": %q}`+"\r\n", result, r.ID)
}

func (p *peer) answer(r request, result string) { p.say(answerTo(r, result)) }

func TestExecute(t *testing.T) {
	q, p := connect(t, nil)
	go func() {
		r := p.next()
		p.answer(r, string(r.Arguments))
	}()
	var out struct{ Value int }
	if err := q.Execute(within(t, patience), "echo", map[string]int{"value": 7}, &out); err != nil || out.Value != 7 {
		t.Fatalf("got %+v, %v", out, err)
	}
	if v := q.Version().String(); v != "10.0.2" {
		t.Errorf("version %s", v)
	}
}

func TestRefusalKeepsItsClass(t *testing.T) {
	q, p := connect(t, nil)
	go func() {
		p.say(fmt.Sprintf(`{"error": {"class": "DeviceNotFound", "desc": "no such disk"}, "id": %q}`+"\r\n", p.next().ID))
	}()
	err := q.Execute(within(t, patience), "eject", nil, nil)
	var refusal *qmp.Error
	if !errors.As(err, &refusal) || refusal.Class != "DeviceNotFound" {
		t.Fatalf("got %v", err)
	}
	if want := "qmp: eject: DeviceNotFound: no such disk"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if q.Err() != nil {
		t.Errorf("the connection ended: %v", q.Err())
	}
}

// A line may come in any pieces, and many in one.
func TestSplitFrames(t *testing.T) {
	var events []string
	done := make(chan struct{})
	q, p := connect(t, func(e qmp.Event) {
		if events = append(events, e.Event); len(events) == 2 {
			close(done)
		}
	})
	go func() {
		text := `{"event": "ONE", "data": {"n": 1}}` + "\r\n" + answerTo(p.next(), `"ünïcode"`) + `{"event": "TWO"}` + "\n"
		for i := range len(text) {
			p.say(text[i : i+1])
		}
	}()
	var out string
	if err := q.Execute(within(t, patience), "x", nil, &out); err != nil || out != "ünïcode" {
		t.Fatalf("got %q, %v", out, err)
	}
	await(t, "two events", done)
	if strings.Join(events, " ") != "ONE TWO" {
		t.Errorf("events %q", events)
	}
}

func TestLongLine(t *testing.T) {
	q, p := connect(t, nil)
	long := strings.Repeat("y", 3<<20)
	go func() { p.answer(p.next(), `"`+long+`"`) }()
	var out string
	if err := q.Execute(within(t, patience), "x", nil, &out); err != nil || out != long {
		t.Fatalf("got %d bytes, %v", len(out), err)
	}
}

// The answer to a command that was given up on must not reach the next one.
func TestLateAnswer(t *testing.T) {
	q, p := connect(t, nil)
	given := make(chan struct{})
	go func() {
		first := p.next()
		<-given
		second := p.next()
		p.answer(first, `"first"`)
		p.answer(second, `"second"`)
	}()
	err := q.Execute(within(t, 20*time.Millisecond), "slow", nil, nil)
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "qmp: slow: context deadline exceeded" {
		t.Fatalf("got %v", err)
	}
	close(given)
	var out string
	if err := q.Execute(within(t, patience), "next", nil, &out); err != nil || out != "second" {
		t.Fatalf("got %q, %v", out, err)
	}
}

func TestGoQEMU(t *testing.T) {
	q, p := connect(t, nil)
	go func() { p.answer(p.next(), `{"running": false, "singlestep": false, "status": "paused"}`) }()
	var m goqmp.Monitor = q.Monitor(within(t, patience))
	s, err := raw.NewMonitor(m).QueryStatus()
	if err != nil || s.Status != raw.RunStatePaused {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := m.Events(context.Background()); !errors.Is(err, goqmp.ErrEventsNotSupported) {
		t.Error(err)
	}
	if _, err := m.Run([]byte("{")); err == nil {
		t.Error("a broken command was taken")
	}
	if _, err := q.Monitor(within(t, 0)).Run([]byte(`{"execute": "x"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if m.Connect() != nil || m.Disconnect() != nil || m.Connect() == nil {
		t.Error("connect and disconnect do not tell the connection's state")
	}
}
