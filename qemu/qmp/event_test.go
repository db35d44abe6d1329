package qmp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qmp"
)

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

// Many commands at once, with a flood of events behind every answer.
func TestFlood(t *testing.T) {
	ours, theirs := net.Pipe()
	go qemutest.Monitor{Flood: 40}.Serve(theirs)
	q, err := qmp.New(within(t, patience), ours, func(qmp.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 40 {
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
