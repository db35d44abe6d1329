package control

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/session"
)

func guestKeys(t *testing.T) session.GuestKeys {
	t.Helper()
	keys, err := session.NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys.Guest()
}

// What is said on one end comes out at the other, until either closes it.
func TestSession(t *testing.T) {
	f, keys := newFake(), guestKeys(t)
	path := socketIn(t)
	v, c := served(t, path, f)
	var guest net.Conn
	f.guest = func(_ context.Context, got session.GuestKeys) (net.Conn, error) {
		if string(got.Own) != string(keys.Own) || string(got.Host) != string(keys.Host) {
			t.Error("the guest gets other keys")
		}
		var ours net.Conn
		ours, guest = net.Pipe()
		return ours, nil
	}
	for _, end := range []func(user io.Closer){
		func(user io.Closer) { user.Close() },
		func(io.Closer) { guest.Close() },
		func(io.Closer) { v.endSessions() },
	} {
		user, err := c.Session(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		say := func(to io.Writer, from io.Reader, text string) {
			t.Helper()
			go io.WriteString(to, text)
			got := make([]byte, len(text))
			if _, err := io.ReadFull(from, got); err != nil || string(got) != text {
				t.Errorf("got %q, %v", got, err)
			}
		}
		say(user, guest, "to the guest")
		say(guest, user, "\x00\xffand back")
		end(user)
		late := time.AfterFunc(time.Minute, func() { t.Error("nobody hangs up"); user.Close(); guest.Close() })
		_, _ = io.Copy(io.Discard, guest)
		_, _ = io.Copy(io.Discard, user)
		late.Stop()
		user.Close()
	}
}

func TestSessionIsRefused(t *testing.T) {
	f := newFake()
	_, c := served(t, socketIn(t), f)
	f.guest = func(context.Context, session.GuestKeys) (net.Conn, error) {
		return nil, &Error{Code: CodeNoSession, Message: "it cannot"}
	}
	var e *Error
	if _, err := c.Session(t.Context(), guestKeys(t)); !errors.As(err, &e) || e.Code != CodeNoSession {
		t.Errorf("got %v", err)
	}
	if _, err := c.Session(t.Context(), session.GuestKeys{}); !errors.As(err, &e) || e.Code != CodeRequest {
		t.Errorf("no keys: got %v", err)
	}
}

func TestLease(t *testing.T) {
	f := newFake()
	_, c := served(t, socketIn(t), f)
	back := make(chan string, 10)
	f.lease = func(kind LeaseKind) (string, error) { return "of " + string(kind), nil }
	f.giveBack = func(id string) (int, bool) {
		back <- id
		return 2, true
	}
	lease, err := c.Lease(t.Context(), LeaseUse)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case id := <-back:
		t.Errorf("%s was given back too early", id)
	default:
	}
	lease.Release()
	lease.Release()
	if id := <-back; id != "of use" {
		t.Errorf("got %q", id)
	}
	if lease, err = c.Lease(t.Context(), LeaseOwn); err != nil {
		t.Fatal(err)
	}
	if users, stops, err := lease.Return(t.Context()); users != 2 || !stops || err != nil {
		t.Errorf("got %d, %v, %v", users, stops, err)
	}
	if id := <-back; id != "of own" || <-back != id { // it is told, and its answer ends
		t.Errorf("got %q", id)
	}
	var e *Error
	if _, err := c.Lease(t.Context(), "wrong"); !errors.As(err, &e) || e.Code != CodeRequest {
		t.Errorf("got %v", err)
	}
	f.lease = func(LeaseKind) (string, error) { return "", &Error{Code: CodeStopping, Message: "no"} }
	if _, err := c.Lease(t.Context(), LeaseUse); !errors.As(err, &e) || e.Code != CodeStopping {
		t.Errorf("got %v", err)
	}
}
