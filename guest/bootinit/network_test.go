package main

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRouteMessageIsUnderstood asks the kernel to delete a route that does not exist: only a message that it could read
// gets that answer, and nothing changes.
func TestRouteMessageIsUnderstood(t *testing.T) {
	message := routeMessage(netip.MustParseAddr("127.0.0.254"))
	if len(message) != 36 || message[0] != 36 {
		t.Fatalf("length %d, says %d", len(message), message[0])
	}
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(socket)
	message[4] = unix.RTM_DELROUTE
	message[6], message[7] = unix.NLM_F_REQUEST|unix.NLM_F_ACK, 0 // the others mean something else there
	if err := unix.Sendto(socket, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	if _, _, err := unix.Recvfrom(socket, answer, 0); err != nil {
		t.Fatal(err)
	}
	errno := unix.Errno(-int32(uint32(answer[16]) | uint32(answer[17])<<8 | uint32(answer[18])<<16 | uint32(answer[19])<<24))
	if errno != unix.ESRCH && errno != unix.EPERM {
		t.Errorf("the kernel says %v, want %v (or %v for an ordinary user)", errno, unix.ESRCH, unix.EPERM)
	}
}
