package qmp

import (
	"context"
	"fmt"
	"strings"
)

// PortError is a forward whose port on the host could not be listened on. QEMU does not say why: nearly always another
// program has the port, else it is below 1024.
type PortError struct {
	Port int
	Desc string // QEMU's words
}

// Error names the port.
func (e *PortError) Error() string {
	return fmt.Sprintf("cannot listen on 127.0.0.1:%d (is the port taken?): %s", e.Port, e.Desc)
}

// AddForward makes 127.0.0.1:hostPort lead to guestPort of the guest over TCP, by the user-mode network with the id
// netdev. It works while the guest is paused too: a connection then waits for it. A port that is taken is a [*PortError].
func (q *Conn) AddForward(ctx context.Context, netdev string, hostPort, guestPort int) error {
	said, err := q.humanMonitor(ctx, fmt.Sprintf("hostfwd_add %s tcp:127.0.0.1:%d-:%d", netdev, hostPort, guestPort))
	switch {
	case err != nil:
	case strings.HasPrefix(said, "Could not set up host forwarding rule"):
		err = &PortError{hostPort, said}
	case said != "":
		err = &Error{Class: "GenericError", Desc: said}
	}
	if err != nil {
		return fmt.Errorf("qmp: forward of port %d: %w", hostPort, err)
	}
	return nil
}

// RemoveForward stops listening on 127.0.0.1:hostPort. Connections that are open stay open. That there is no such forward
// is no error.
func (q *Conn) RemoveForward(ctx context.Context, netdev string, hostPort int) error {
	said, err := q.humanMonitor(ctx, fmt.Sprintf("hostfwd_remove %s tcp:127.0.0.1:%d", netdev, hostPort))
	if err == nil && !strings.HasSuffix(said, " removed") && !strings.HasSuffix(said, " not found") {
		err = &Error{Class: "GenericError", Desc: said}
	}
	if err != nil {
		return fmt.Errorf("qmp: end of the forward of port %d: %w", hostPort, err)
	}
	return nil
}

// humanMonitor runs a command that QMP has no other name for, and returns what it prints. It has no other way to tell an
// error.
func (q *Conn) humanMonitor(ctx context.Context, line string) (string, error) {
	var said string
	err := q.execute(ctx, "human-monitor-command", map[string]string{"command-line": line}, &said)
	return strings.TrimSpace(said), err
}
