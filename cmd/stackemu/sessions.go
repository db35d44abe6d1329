package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/session"
)

// This file is the supervisor's part of a session: it makes the guest connect, and passes nothing on but bytes.

// connectTimeout is how long a guest may take to connect: it has to start a program, under an emulated CPU perhaps.
const connectTimeout = 20 * time.Second

// exitUnknown is stackguest's exit code for a command that it does not know.
const exitUnknown = 2

// maxComplaint bounds what of a guest's complaint is passed on, in bytes.
const maxComplaint = 500

// Session has the guest connect to this process.
func (m *member) Session(ctx context.Context, keys session.GuestKeys) (net.Conn, error) {
	awaited, err := session.Await()
	if err != nil {
		return nil, err
	}
	defer awaited.Close()
	invitation, err := json.Marshal(awaited.Invite(keys))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, session.ErrNotCome)
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	go func() { // as long as the session, or the instance
		result, err := m.Exec(context.Background(), control.ExecRequest{Path: guestapi.Program, Args: []string{session.Command}, Stdin: invitation})
		giveUp(notBegun(result, err))
	}()
	conn, err := awaited.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return m.sessions.add(conn), nil
}

// notBegun is why a session has ended that had not begun.
func notBegun(result control.ExecResult, err error) error {
	var known *control.Error
	switch {
	case errors.As(err, &known) && known.Code == control.CodeNoProgram, err == nil && result.ExitCode == exitUnknown:
		return &control.Error{Code: control.CodeNoSession, Message: "the guest's tools cannot stream input and output",
			Hint: "an image that this version has built can: `stackemu image build`"}
	case err != nil:
		return err
	case result.ExitCode != 0:
		return fmt.Errorf("the guest says: %.*s", maxComplaint, strings.TrimSpace(string(result.Stderr)))
	}
	return session.ErrNotCome
}

// sessions are the connections to the guest that are open. They end when the instance is not what they were opened in any more:
// a program in a guest that is about to be saved would wait for ever for an end of its connection.
type sessions struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (s *sessions) add(c net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[net.Conn]bool{}
	}
	s.open[c] = true
	return sessionConn{c, s}
}

// enter tells of a new state of the instance.
func (s *sessions) enter(state string) {
	if state == lifecycle.Probing.String() || state == lifecycle.Ready.String() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
}

type sessionConn struct {
	net.Conn
	among *sessions
}

func (c sessionConn) Close() error {
	c.among.mu.Lock()
	delete(c.among.open, c.Conn)
	c.among.mu.Unlock()
	return c.Conn.Close()
}
