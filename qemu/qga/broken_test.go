package qga_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu/qga"
)

// Nonsense costs one command; the end of the connection is the end.
func TestBrokenEnds(t *testing.T) {
	g, p := connect(t)
	go func() {
		p.sync()
		p.answer("x", "nonsense")
		p.sync()
		p.answer("x", "{}")
		p.sync()
		p.next()
		p.say(`{"return": `)
		p.c.Close()
	}()
	for range 2 {
		if err := g.Execute(within(t, patience), "x", nil, nil); err == nil || errors.Is(err, qga.ErrClosed) {
			t.Fatalf("got %v", err)
		}
	}
	for range 2 {
		if err := g.Execute(within(t, patience), "x", nil, nil); !errors.Is(err, qga.ErrClosed) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestCloseFreesACommand(t *testing.T) {
	g, p := connect(t)
	failed := make(chan error)
	go func() { failed <- g.Sync(within(t, patience)) }()
	p.next()
	g.Close()
	g.Close()
	if err := <-failed; !errors.Is(err, qga.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Commands take turns, and waiting for the turn ends with the context.
func TestTurns(t *testing.T) {
	g, p := connect(t)
	begun := make(chan struct{})
	finish := make(chan struct{})
	go func() {
		p.sync()
		p.next()
		close(begun)
		<-finish
		p.say(`{"return": {}}` + "\n")
		for range 10 {
			p.answer("y", `{"return": {}}`)
		}
	}()
	var group sync.WaitGroup
	group.Go(func() {
		if err := g.Execute(within(t, patience), "x", nil, nil); err != nil {
			t.Error(err)
		}
	})
	<-begun
	if err := g.Execute(within(t, 20*time.Millisecond), "y", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(finish)
	for range 10 {
		group.Go(func() {
			if err := g.Execute(within(t, patience), "y", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
