package main

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/status"
)

func TestNotifierStates(t *testing.T) {
	n := &notifier{}
	for _, c := range []struct {
		event status.Event
		want  string
	}{
		{status.Event{Kind: status.StateEntered, State: "preparing"}, "STATUS=preparing"},
		{status.Event{Kind: status.ServiceChanged, Service: "backend"}, ""},
		{status.Event{Kind: status.StateEntered, State: "saving", From: "capturing"}, "STATUS=saving"},
		{status.Event{Kind: status.StateEntered, State: "ready"}, "READY=1\nSTATUS=ready"},
		{status.Event{Kind: status.StateEntered, State: "backoff"}, "STATUS=backoff"},
		{status.Event{Kind: status.StateEntered, State: "ready"}, "STATUS=ready"},
		{status.Event{Kind: status.StateEntered, State: "saving", From: "ready"}, "STOPPING=1\nSTATUS=saving"},
		{status.Event{Kind: status.Ended, State: "stopped"}, "STOPPING=1"},
	} {
		if got := strings.Join(n.states(c.event), "|"); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.event, got, c.want)
		}
	}
}

// A supervisor that systemd has started tells it when the instance is ready, that it lives, and when it stops.
func TestSupervisorNotifiesSystemd(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1", "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=300000")
	c := e.start("supervise", "--", "default")
	until := func(word string) {
		t.Helper()
		for text := make([]byte, 4096); ; {
			if err := conn.SetReadDeadline(time.Now().Add(40 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(text)
			if err != nil {
				c.Kill()
				c.End()
				t.Fatalf("no %s: %v\n%s\n%s", word, err, c.Stdout(), c.Stderr())
			}
			if slices.Contains(strings.Split(string(text[:n]), "\n"), word) {
				return
			}
		}
	}
	until("STATUS=preparing")
	until("READY=1")
	until("WATCHDOG=1")
	if err := syscall.Kill(c.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until("STOPPING=1")
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
}
