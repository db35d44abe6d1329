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
	"sync"
	"testing"
	"time"

	goqmp "github.com/digitalocean/go-qemu/qmp"
	"github.com/digitalocean/go-qemu/qmp/raw"
	"github.com/stackemu/stackemu/qemu/qemutest"
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

// Events before the answer to the negotiation belong to the caller.
func TestEventsOfTheHandshake(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	p := &peer{t, theirs, bufio.NewReader(theirs)}
	go func() {
		p.say(greeting + `{"event": "EARLY"}` + "\r\n")
		p.say(`{"event": "EARLIER"}` + "\r\n" + answerTo(p.next(), `{}`) + `{"event": "LATE"}` + "\r\n")
	}()
	seen := make(chan string, 3)
	q, err := qmp.New(within(t, patience), ours, func(e qmp.Event) { seen <- e.Event })
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, want := range []string{"EARLY", "EARLIER", "LATE"} {
		if got := <-seen; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
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

// A callback that blocks holds up neither answers nor the end of those who wait for one.
func TestBlockedCallback(t *testing.T) {
	block := make(chan struct{})
	q, p := connect(t, func(qmp.Event) { <-block })
	const flood = qmp.EventQueue + 1000
	go func() {
		for range flood {
			p.say(`{"event": "E"}` + "\n")
		}
		p.answer(p.next(), `{}`)
		p.c.Close()
	}()
	if err := q.Execute(within(t, patience), "x", nil, nil); err != nil {
		t.Fatal(err)
	}
	if n := q.Dropped(); n < 900 || n > 1000 {
		t.Errorf("%d events dropped", n)
	}
	if err := q.Execute(within(t, patience), "x", nil, nil); !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("got %v", err)
	}
	select {
	case <-q.Done():
		t.Error("done with events to be delivered")
	default:
	}
	close(block)
	await(t, "the end", q.Done())
}

// Every event has been handed over when Done is closed, those behind the last answer too.
func TestDoneComesLast(t *testing.T) {
	n := 0
	q, p := connect(t, func(qmp.Event) { n++ })
	p.say(strings.Repeat(`{"event": "E"}`+"\n", 500))
	p.c.Close()
	await(t, "the end", q.Done())
	if n != 500 || !errors.Is(q.Err(), io.EOF) || !errors.Is(q.Err(), qmp.ErrClosed) {
		t.Errorf("%d events, then %v", n, q.Err())
	}
}

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

// Many commands at once, with a flood of events behind every answer.
func TestFlood(t *testing.T) {
	ours, theirs := net.Pipe()
	go qemutest.Monitor{Flood: 40}.Serve(theirs, nil)
	q, err := qmp.New(within(t, patience), ours, func(qmp.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 100 {
				d := patience
				if i%10 == 3 {
					d = 50 * time.Microsecond // most of these run out
				}
				ctx, cancel := context.WithTimeout(context.Background(), d)
				s, err := q.Status(ctx)
				cancel()
				if err == nil && !s.Running || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %+v, %v", s, err)
				}
			}
		})
	}
	group.Wait()
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
