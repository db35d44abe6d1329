// Package hostport tells whether a port of this host is free for a service that people reach as localhost, and if it
// is not, who has it.
//
// The answer holds for the moment of the check only: whoever binds the port next may still fail, and must say so.
package hostport

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Owner is the process that listens at a port. The fields are what the operating system lets this user see: PID is 0
// if it does not say, Command and User are "" then.
type Owner struct {
	PID     int
	Command string // the program's name, without its arguments: those may hold secrets
	User    string
}

// TakenError tells that a port cannot be used. It is [syscall.EADDRINUSE].
type TakenError struct {
	Port    int
	Address string // the address at which the other one listens, as far as it matters: 127.0.0.1 or ::1
	Owner   Owner
}

func (e *TakenError) Error() string {
	text := fmt.Sprintf("port %d is taken", e.Port)
	if e.Address == loopback6 {
		text += " on [::1], where browsers look for localhost too,"
	}
	switch {
	case e.Owner.PID != 0:
		return fmt.Sprintf("%s by %s (pid %d)", text, e.Owner.Command, e.Owner.PID)
	case e.Owner.User != "":
		return fmt.Sprintf("%s by a process of user %s", text, e.Owner.User)
	}
	return text + " by another process"
}

func (e *TakenError) Unwrap() error { return syscall.EADDRINUSE }

const (
	loopback4 = "127.0.0.1"
	loopback6 = "::1"
)

// Check returns nil if the port is free, a *TakenError if it is not, and another error if this user may not have it.
//
// It binds the port for a moment, like QEMU with SO_REUSEADDR: connections of an earlier server that are still in
// TIME_WAIT are no hindrance. The port must be free at ::1 as well, though nothing of ours will listen there, because
// a name like localhost leads there first: the person would see another program's page. A host without IPv6 is fine.
func Check(port int) error {
	err := bind("tcp4", loopback4, port)
	switch {
	case errors.Is(err, syscall.EADDRINUSE), err == nil && hidden(port):
		return &TakenError{Port: port, Address: loopback4, Owner: findOwner(port)}
	case err != nil:
		return fmt.Errorf("port %d: %w", port, err)
	case errors.Is(bind("tcp6", loopback6, port), syscall.EADDRINUSE):
		return &TakenError{Port: port, Address: loopback6, Owner: findOwner(port)}
	}
	return nil
}

func bind(network, address string, port int) error {
	listener, err := net.Listen(network, net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return listener.Close()
}
