package toolport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/qemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest listens where the tools' port is, and plays the tools for one call. It is told the call's line.
func guest(t *testing.T, play func(c net.Conn, call guestapi.Call)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tools.sock")
	l, f, err := qemu.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for lines := bufio.NewReader(c); ; {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			var call guestapi.Call
			if json.Unmarshal(line, &call) == nil && call.ID != "" {
				play(c, call)
				_, _ = io.Copy(io.Discard, lines) // until the host has enough
				return
			}
		}
	}()
	return path
}

func say(c net.Conn, r guestapi.Reply) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	for _, b := range append(text, '\n') { // as a port may hand it on
		_, _ = c.Write([]byte{b})
	}
}

var (
	request = guestapi.Request{Time: time.Unix(1, 0).UTC(), Secrets: map[string]string{"A": "b"}}
	clock   = &guestapi.Result{Steps: []guestapi.Step{{Name: guestapi.StepClock, Took: time.Second}}}
)

func TestCall(t *testing.T) {
	path := guest(t, func(c net.Conn, call guestapi.Call) {
		if call.Request == nil || !call.Request.Time.Equal(request.Time) || call.Request.Secrets["A"] != "b" {
			t.Errorf("the guest was asked %+v", call.Request)
		}
		// What a host before us has not read.
		_, _ = io.WriteString(c, "ult\":{}}\n\n\xff\n[]\n")
		say(c, guestapi.Reply{ID: "other"})
		say(c, guestapi.Reply{ID: "other", Result: &guestapi.Result{}})
		say(c, guestapi.Reply{ID: call.ID})
		say(c, guestapi.Reply{ID: "other", Result: &guestapi.Result{}})
		say(c, guestapi.Reply{ID: call.ID, Result: clock})
	})
	result, err := Call(t.Context(), path, &request)
	if err != nil || len(result.Steps) != 1 || result.Steps[0] != clock.Steps[0] {
		t.Errorf("got %+v, %v", result, err)
	}
}

// A step that has failed is an answer.
func TestFailedStep(t *testing.T) {
	path := guest(t, func(c net.Conn, call guestapi.Call) {
		say(c, guestapi.Reply{ID: call.ID})
		say(c, guestapi.Reply{ID: call.ID, Result: &guestapi.Result{Steps: []guestapi.Step{{Name: guestapi.StepRotation, Error: "boom"}}}})
	})
	result, err := Call(t.Context(), path, &request)
	if err != nil || result.Err() == nil || result.Err().Error() != "rotation: boom" {
		t.Errorf("got %+v, %v", result, err)
	}
}

// Whoever calls may take another way only where nothing was done.
func TestFailures(t *testing.T) {
	for name, x := range map[string]struct {
		play    func(c net.Conn, id string)
		want    string
		unheard bool
	}{
		"hangs up at once":  {func(c net.Conn, _ string) { c.Close() }, "unexpected EOF", true},
		"says nothing":      {func(net.Conn, string) {}, "i/o timeout", true},
		"says other things": {func(c net.Conn, _ string) { say(c, guestapi.Reply{ID: "other", Result: clock}) }, "i/o timeout", true},
		"hangs up later":    {func(c net.Conn, id string) { say(c, guestapi.Reply{ID: id}); c.Close() }, "unexpected EOF", false},
		"does nothing":      {func(c net.Conn, id string) { say(c, guestapi.Reply{ID: id}); say(c, guestapi.Reply{ID: id}) }, "names no step", false},
		"has done nothing": {func(c net.Conn, id string) {
			say(c, guestapi.Reply{ID: id})
			say(c, guestapi.Reply{ID: id, Result: &guestapi.Result{}})
		}, "names no step", false},
		"never ends a line": {func(c net.Conn, id string) {
			say(c, guestapi.Reply{ID: id})
			_, _ = io.Copy(c, strings.NewReader(strings.Repeat("x", 2*guestapi.MaxLine)))
		}, "", false},
		"never ends": {func(c net.Conn, id string) {
			say(c, guestapi.Reply{ID: id})
			for n := 0; n < guestapi.MaxLine; n++ {
				if _, err := fmt.Fprintln(c, "{}"); err != nil {
					return
				}
			}
		}, "unexpected EOF", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := guest(t, func(c net.Conn, call guestapi.Call) { x.play(c, call.ID) })
			_, err := Call(t.Context(), path, &request)
			if err == nil || !strings.Contains(err.Error(), x.want) || errors.Is(err, ErrUnheard) != x.unheard {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	if _, err := Call(t.Context(), filepath.Join(t.TempDir(), "tools.sock"), &request); !errors.Is(err, ErrUnheard) {
		t.Errorf("got %v", err)
	}
}

func TestContextEnds(t *testing.T) {
	boom := errors.New("boom")
	ctx, cancel := context.WithCancelCause(t.Context())
	path := guest(t, func(c net.Conn, call guestapi.Call) {
		say(c, guestapi.Reply{ID: call.ID})
		cancel(boom)
	})
	if _, err := Call(ctx, path, &request); !errors.Is(err, boom) || errors.Is(err, ErrUnheard) {
		t.Errorf("got %v", err)
	}
}
