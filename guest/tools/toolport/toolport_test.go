package toolport

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/stackemu/stackemu/internal/guestapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve has Serve at one end of a pair of sockets. Its requests are noted; the host is at the other end.
func serve(t *testing.T) (host net.Conn, asked <-chan guestapi.Request) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	port, other := os.NewFile(uintptr(pair[0]), "port"), os.NewFile(uintptr(pair[1]), "host")
	host, err = net.FileConn(other)
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	noted, ended := make(chan guestapi.Request, 10), make(chan error)
	go func() {
		ended <- Serve(port, func(r guestapi.Request) guestapi.Result {
			noted <- r
			return guestapi.Result{Steps: []guestapi.Step{{Name: guestapi.StepClock}}}
		})
	}()
	t.Cleanup(func() {
		host.Close()
		port.Close()
		if err := <-ended; !strings.Contains(err.Error(), "closed file") {
			t.Errorf("it ends with %v", err)
		}
	})
	return host, noted
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// replies reads n replies, of which each call has two.
func replies(t *testing.T, c net.Conn, n int) (all []guestapi.Reply) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(c); len(all) < n && lines.Scan(); {
		var r guestapi.Reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%q: %v", lines.Bytes(), err)
		}
		all = append(all, r)
	}
	if len(all) < n {
		t.Fatalf("%d replies: %+v", len(all), all)
	}
	return all
}

func TestServe(t *testing.T) {
	host, asked := serve(t)
	write(t, host, "\n"+`{"id":"a","request":{"time":"2026-`) // in pieces
	write(t, host, `11-28T00:00:00Z"}}`+"\n"+`{"id":"b","request":{"mounts":[{"tag":"x"}]}}`+"\n")
	got := replies(t, host, 4)
	for n, id := range []string{"a", "a", "b", "b"} {
		if got[n].ID != id || (got[n].Result != nil) != (n%2 == 1) {
			t.Errorf("reply %d: %+v", n, got[n])
		}
	}
	if a, b := <-asked, <-asked; a.Time.Year() != 2026 || len(b.Mounts) != 1 || b.Mounts[0].Tag != "x" {
		t.Errorf("asked %+v, %+v", a, b)
	}
}

// What is not a call is passed over, and so is a call that was cut off, once the next host has ended its line.
func TestOtherLines(t *testing.T) {
	host, asked := serve(t)
	write(t, host, "KEY=value\n{}\n[]\n\xff\xfe\n"+`{"id":"no request"}`+"\n"+`{"request":{}}`+"\n"+`{"id":"cut off","requ`)
	write(t, host, "\n"+`{"id":"a","request":{}}`+"\n")
	if got := replies(t, host, 2); got[0].ID != "a" || got[1].ID != "a" || len(asked) != 1 {
		t.Errorf("got %+v, asked %d times", got, len(asked))
	}
}

func TestLineWithoutEnd(t *testing.T) {
	host, asked := serve(t)
	write(t, host, strings.Repeat("x", 3*guestapi.MaxLine))
	write(t, host, "\n"+`{"id":"a","request":{}}`+"\n")
	if got := replies(t, host, 2); got[1].ID != "a" || len(asked) != 1 {
		t.Errorf("got %+v, asked %d times", got, len(asked))
	}
}

func TestOpen(t *testing.T) {
	sys, dev := t.TempDir(), t.TempDir()
	if _, err := Open(sys, dev); !errors.Is(err, ErrNoPort) {
		t.Errorf("without ports: %v", err)
	}
	for port, name := range map[string]string{"vport4p1": "org.qemu.guest_agent.0\n", "vport4p2": Name + "\n"} {
		if err := errors.Join(os.Mkdir(filepath.Join(sys, port), 0o755), os.WriteFile(filepath.Join(sys, port, "name"), []byte(name), 0o644),
			os.WriteFile(filepath.Join(dev, port), []byte(name), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Open(sys, dev)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if filepath.Base(f.Name()) != "vport4p2" {
		t.Errorf("opened %s", f.Name())
	}
	if err := os.Remove(filepath.Join(dev, "vport4p2")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(sys, dev); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the device: %v", err)
	}
}
