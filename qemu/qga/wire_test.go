package qga_test

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

	"github.com/stackemu/stackemu/qemu/qga"
)

// peer is an agent in the hands of a test.
type peer struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

// connect returns a client and the agent's end of its connection.
func connect(t testing.TB) (*qga.Client, *peer) {
	t.Helper()
	ours, theirs := net.Pipe()
	g := qga.New(ours)
	t.Cleanup(func() { g.Close(); theirs.Close() })
	return g, &peer{t, theirs, bufio.NewReader(theirs)}
}

// request is a command as the agent sees it.
type request struct {
	Execute   string
	Arguments struct{ ID int64 }
}

func (p *peer) say(text string) {
	if _, err := io.WriteString(p.c, text); err != nil {
		p.t.Logf("peer: %v", err)
	}
}

// next reads a command. A sentinel belongs to the sync that follows it.
func (p *peer) next() request {
	line, err := p.r.ReadString('\n')
	var r request
	if err == nil {
		text, found := strings.CutPrefix(line, "\xff")
		err = json.Unmarshal([]byte(text), &r)
		if err == nil && found != (r.Execute == "guest-sync-delimited") {
			err = fmt.Errorf("sentinel at the wrong place: %q", line)
		}
	}
	if err != nil {
		p.t.Logf("peer: %v", err)
	}
	return r
}

// sync answers a sync.
func (p *peer) sync() {
	p.say(fmt.Sprintf("\xff{\"return\": %d}\n", p.next().Arguments.ID))
}

// answer expects a command and answers it.
func (p *peer) answer(want, text string) {
	if got := p.next().Execute; got != want {
		p.t.Errorf("got command %q, want %q", got, want)
	}
	p.say(text + "\n")
}

func TestExecuteSyncsOnce(t *testing.T) {
	g, p := connect(t)
	go func() {
		p.sync()
		p.answer("a", `{"return": 1}`)
		p.answer("b", `{"return": 2}`)
	}()
	for i, name := range []string{"a", "b"} {
		var n int
		if err := g.Execute(within(t, patience), name, nil, &n); err != nil || n != i+1 {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
	}
}

// Before its answer a sync meets what others have left: late answers, half lines, answers to older syncs.
func TestSyncDropsLeftovers(t *testing.T) {
	g, p := connect(t)
	go func() {
		id := p.next().Arguments.ID
		p.say(`turn": "late"}` + "\n" + strings.Repeat("garbage ", 20000))
		p.say("\xff{\"return\": 1}\n")
		p.say("\xff{\"error\": {\"class\": \"GenericError\", \"desc\": \"half a command\"}}\n")
		p.say(fmt.Sprintf("{\"return\": %d}\n", id)) // without the sentinel it proves nothing
		for _, b := range []byte(fmt.Sprintf("\xff{\"ret\xff{\"return\": %d}\n", id)) {
			p.say(string([]byte{b}))
		}
	}()
	if err := g.Sync(within(t, patience)); err != nil {
		t.Fatal(err)
	}
}

// After a command without an answer, its answer must not reach the next one.
func TestLateAnswer(t *testing.T) {
	g, p := connect(t)
	late := make(chan struct{})
	go func() {
		p.sync()
		p.next()
		<-late
		sync := p.next()
		p.say(`{"return": "slow"}` + "\n" + fmt.Sprintf("\xff{\"return\": %d}\n", sync.Arguments.ID))
		p.answer("fast", `{"return": "fast"}`)
	}()
	err := g.Execute(within(t, 50*time.Millisecond), "slow", nil, nil)
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "qga: slow: context deadline exceeded" {
		t.Fatal(err)
	}
	close(late)
	var s string
	if err := g.Execute(within(t, patience), "fast", nil, &s); err != nil || s != "fast" {
		t.Fatalf("got %q, %v", s, err)
	}
}

func TestRefusalKeepsItsClass(t *testing.T) {
	g, p := connect(t)
	go func() {
		p.sync()
		p.answer("guest-set-time", `{"error": {"class": "CommandNotFound", "desc": "The command guest-set-time has been disabled"}}`)
		p.answer("guest-ping", `{"return": {}}`)
	}()
	err := g.Execute(within(t, patience), "guest-set-time", nil, nil)
	var refusal *qga.Error
	if !errors.As(err, &refusal) || refusal.Class != "CommandNotFound" {
		t.Fatalf("got %v", err)
	}
	if err := g.Execute(within(t, patience), "guest-ping", nil, nil); err != nil {
		t.Errorf("a refusal is a whole answer: %v", err)
	}
}

// A post is not answered: the next command begins with a sync.
func TestPost(t *testing.T) {
	g, p := connect(t)
	go func() {
		p.sync()
		if r := p.next(); r.Execute != "guest-shutdown" {
			t.Errorf("got %q", r.Execute)
		}
		p.sync()
		p.answer("guest-ping", `{"return": {}}`)
	}()
	if err := g.Shutdown(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := g.Execute(within(t, patience), "guest-ping", nil, nil); err != nil {
		t.Fatal(err)
	}
}

func TestSplitAndLongAnswer(t *testing.T) {
	g, p := connect(t)
	long := strings.Repeat("z", 3<<20)
	go func() {
		p.sync()
		p.next()
		for _, part := range []string{`{"re`, `turn": "`, long, `"`, "}\n"} {
			p.say(part)
		}
	}()
	var s string
	if err := g.Execute(within(t, patience), "x", nil, &s); err != nil || s != long {
		t.Fatalf("got %d bytes, %v", len(s), err)
	}
}
