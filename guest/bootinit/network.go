package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// QEMU's user network is the same everywhere (QEMU: net/slirp.c): there is nothing to ask by DHCP.
var (
	address = netip.MustParseAddr("10.0.2.15")
	netmask = netip.MustParseAddr("255.255.255.0")
	gateway = netip.MustParseAddr("10.0.2.2")
)

// setUpNetwork gives the loopback device and the card their addresses. IPv6 addresses come by themselves.
func setUpNetwork(card string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	defer unix.Close(socket)
	if err := bringUp(socket, "lo"); err != nil { // with 127.0.0.1, which the kernel adds
		return err
	}
	if err := setAddress(socket, card, unix.SIOCSIFADDR, address); err != nil {
		return err
	}
	if err := setAddress(socket, card, unix.SIOCSIFNETMASK, netmask); err != nil {
		return err
	}
	if err := bringUp(socket, card); err != nil {
		return err
	}
	return addDefaultRoute(gateway)
}

func bringUp(socket int, device string) error {
	request, err := unix.NewIfreq(device)
	if err != nil {
		return fmt.Errorf("network: %s: %w", device, err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("network: %s up: %w", device, err)
	}
	return nil
}

func setAddress(socket int, device string, what uint, addr netip.Addr) error {
	request, err := unix.NewIfreq(device)
	if err != nil {
		return fmt.Errorf("network: %s: %w", device, err)
	}
	ip := addr.As4()
	if err := request.SetInet4Addr(ip[:]); err != nil {
		return fmt.Errorf("network: %s: %w", device, err)
	}
	if err := unix.IoctlIfreq(socket, what, request); err != nil {
		return fmt.Errorf("network: %s: %s: %w", device, addr, err)
	}
	return nil
}

// addDefaultRoute sends everything else through via. Routes have no ioctl in golang.org/x/sys: this is the netlink
// message RTM_NEWROUTE (rtnetlink(7)) with one attribute.
func addDefaultRoute(via netip.Addr) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("network: netlink: %w", err)
	}
	defer unix.Close(socket)
	if err := unix.Sendto(socket, routeMessage(via), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("network: default route: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return fmt.Errorf("network: default route: %w", err)
	}
	// NLMSG_ERROR: behind the header the errno as a negative number, 0 for done.
	if n < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("network: default route: answer of %d bytes", n)
	}
	if errno := -int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); errno != 0 {
		return fmt.Errorf("network: default route: %w", unix.Errno(errno))
	}
	return nil
}

// routeMessage is struct nlmsghdr, struct rtmsg, and the attribute RTA_GATEWAY.
func routeMessage(via netip.Addr) []byte {
	ip := via.As4()
	const length = unix.SizeofNlMsghdr + unix.SizeofRtMsg + unix.SizeofRtAttr + 4
	order := binary.NativeEndian
	m := order.AppendUint32(nil, length)
	m = order.AppendUint16(m, unix.RTM_NEWROUTE)
	m = order.AppendUint16(m, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	m = order.AppendUint32(m, 1) // sequence number
	m = order.AppendUint32(m, 0) // port: the kernel's business
	m = append(m, unix.AF_INET, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST)
	m = order.AppendUint32(m, 0) // flags
	m = order.AppendUint16(m, unix.SizeofRtAttr+4)
	m = order.AppendUint16(m, unix.RTA_GATEWAY)
	return append(m, ip[:]...)
}
