//go:build !linux

package hostport

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// hidden is whether a server answers at a port that could be bound: the BSDs, and so macOS, let 127.0.0.1 be bound with
// SO_REUSEADDR under a server that listens at all addresses.
func hidden(port int) bool {
	conn, err := net.DialTimeout("tcp4", net.JoinHostPort(loopback4, strconv.Itoa(port)), time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// lsofTimeout: lsof can hang on a network file system that has gone away; the owner's name is not worth a wait.
const lsofTimeout = 2 * time.Second

// findOwner asks lsof, which macOS and the BSDs have.
func findOwner(port int) Owner {
	ctx, cancel := context.WithTimeout(context.Background(), lsofTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "lsof", "-nP", "-iTCP:"+strconv.Itoa(port), "-sTCP:LISTEN", "-FpcL").Output()
	if err != nil {
		return Owner{}
	}
	return parseLsof(string(out))
}

// parseLsof reads the first process of lsof's field output: a line each for p(id), c(ommand), L(ogin name).
func parseLsof(out string) Owner {
	var owner Owner
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		switch value := line[1:]; line[0] {
		case 'p':
			if owner.PID != 0 {
				return owner
			}
			owner.PID, _ = strconv.Atoi(value)
		case 'c':
			owner.Command = value
		case 'L':
			owner.User = value
		}
	}
	return owner
}
