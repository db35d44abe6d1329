package postresume

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// warmTimeout bounds what one request for the caches' sake may take; this process has ended long before.
const warmTimeout = 2 * time.Second

// warm asks each of urls once and does not wait: while this process does its work on one processor of the guest, the
// services come to be translated and cached on the other. What comes of it is nobody's concern. The connections stay open
// until this process ends, because a server may give a request up whose client has gone.
func warm(urls []string) {
	for _, text := range urls {
		address, target, err := parseWarm(text)
		if err != nil {
			continue
		}
		go ask(address, target)
	}
}

func ask(address, target string) {
	conn, err := net.DialTimeout("tcp", address, warmTimeout)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(warmTimeout))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", target, address); err != nil {
		return
	}
	_, _ = conn.Read(make([]byte, 1)) // an answer, a deadline, or the end of this process
}

// parseWarm takes a URL apart. It must be one of this guest's own: what a host may ask for is no way to another machine.
func parseWarm(text string) (address, target string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", "", fmt.Errorf("warm: %w", err)
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil || u.Scheme != "http" || u.User != nil || !at.Addr().IsLoopback() || at.Addr().Zone() != "" || at.Port() == 0 {
		return "", "", fmt.Errorf("warm: %q is not an http URL of a loopback address and a port", text)
	}
	return at.String(), u.RequestURI(), nil
}
