package hostport_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stackemu/stackemu/internal/hostport"
)

// listen takes a port at an address like "127.0.0.1:0" or skips the test where the host has no such address.
func listen(t *testing.T, network, address string) (net.Listener, int) {
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("this host cannot listen at %s %s: %v", network, address, err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener, listener.Addr().(*net.TCPAddr).Port
}

func wantOurs(t *testing.T, port int, address string) {
	t.Helper()
	err := hostport.Check(port)
	var taken *hostport.TakenError
	if !errors.As(err, &taken) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v, want a TakenError", err)
	}
	if taken.Port != port || taken.Address != address || taken.Owner.PID != os.Getpid() {
		t.Errorf("got %+v, want port %d at %s of pid %d", taken, port, address, os.Getpid())
	}
	if program := filepath.Base(os.Args[0]); taken.Owner.Command != program {
		t.Errorf("got the command %q, want %q", taken.Owner.Command, program)
	}
}

func TestFree(t *testing.T) {
	listener, port := listen(t, "tcp4", "127.0.0.1:0")
	_ = listener.Close()
	for range 2 { // the check itself leaves the port free
		if err := hostport.Check(port); err != nil {
			t.Error(err)
		}
	}
}

func TestTaken(t *testing.T) {
	for _, test := range []struct{ name, network, listen, address string }{
		{"loopback", "tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 wildcard", "tcp4", "0.0.0.0:0", "127.0.0.1"},
		{"IPv6 wildcard that takes IPv4 too", "tcp", "[::]:0", "127.0.0.1"},
		{"IPv6 wildcard only", "tcp6", "[::]:0", "::1"},
		{"IPv6 loopback", "tcp6", "[::1]:0", "::1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, port := listen(t, test.network, test.listen)
			wantOurs(t, port, test.address)
		})
	}
}

func TestOtherAddressIsNoHindrance(t *testing.T) {
	_, port := listen(t, "tcp4", "127.0.0.2:0")
	if err := hostport.Check(port); err != nil {
		t.Error(err)
	}
}

// A server that closes its connections itself leaves them in TIME_WAIT at its port, as QEMU does at a stop.
func TestTimeWaitIsFree(t *testing.T) {
	listener, port := listen(t, "tcp4", "127.0.0.1:0")
	client, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close() // first: TIME_WAIT is on the side that closes first
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("the server's side did not close: %v", err)
	}
	_ = client.Close()
	_ = listener.Close()
	if err := hostport.Check(port); err != nil {
		t.Error(err)
	}
}

// Not every server sets SO_REUSEADDR, as Go's and QEMU's do.
func TestTakenWithoutReuse(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	wantOurs(t, address.(*syscall.SockaddrInet4).Port, "127.0.0.1")
}

func TestNoPort(t *testing.T) {
	err := hostport.Check(70000)
	var taken *hostport.TakenError
	if err == nil || errors.As(err, &taken) {
		t.Errorf("port 70000: %v, want an error that is no TakenError", err)
	}
}

func TestWords(t *testing.T) {
	for want, err := range map[string]error{
		"port 1 is taken by node (pid 7)":                                                     &hostport.TakenError{Port: 1, Address: "127.0.0.1", Owner: hostport.Owner{PID: 7, Command: "node", User: "bob"}},
		"port 2 is taken by a process of user bob":                                            &hostport.TakenError{Port: 2, Address: "127.0.0.1", Owner: hostport.Owner{User: "bob"}},
		"port 3 is taken on [::1], where browsers look for localhost too, by another process": &hostport.TakenError{Port: 3, Address: "::1"},
	} {
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}
