package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/stackemu/stackemu/internal/session"
)

// protocol names what a connection is switched to: whatever the two ends of a session say.
const protocol = "stackemu-session"

// SessionRequest asks for a connection to the guest, over which one program can be run: see package session.
type SessionRequest struct {
	Keys session.GuestKeys `json:"keys"`
}

// Session connects to the guest, which gets the keys. The caller has to close the connection.
func (c *Client) Session(ctx context.Context, keys session.GuestKeys) (io.ReadWriteCloser, error) {
	response, err := c.send(ctx, http.MethodPost, "/v1/session", SessionRequest{keys}, http.Header{"Connection": {"Upgrade"}, "Upgrade": {protocol}})
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		defer response.Body.Close()
		if err := read(response, nil); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("control: the supervisor answers with status %d", response.StatusCode)
	}
	return response.Body.(io.ReadWriteCloser), nil // as net/http has it
}

// session answers with the guest itself.
func (v *Server) session(w http.ResponseWriter, r *http.Request) {
	var request SessionRequest
	if err := errors.Join(decode(r.Body, &request), request.Keys.Check()); err != nil {
		refuse(w, http.StatusBadRequest, &Error{Code: CodeRequest, Message: err.Error()})
		return
	}
	guest, err := v.supervisor.Session(r.Context(), request.Keys)
	if err != nil {
		refuseFor(w, err)
		return
	}
	defer guest.Close()
	header := w.Header().Clone()
	user, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuseFor(w, err)
		return
	}
	defer user.Close()
	header.Set("Connection", "Upgrade")
	header.Set("Upgrade", protocol)
	answer := http.Response{StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Header: header}
	if answer.Write(buffered) != nil || buffered.Flush() != nil {
		return
	}
	relay(v.sessions, user, buffered.Reader, guest)
}

// relay passes on what two say to each other, until either has ended or ctx is done. Both are closed then.
func relay(ctx context.Context, user net.Conn, said *bufio.Reader, guest net.Conn) {
	ctx, end := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() {
		_ = user.Close()
		_ = guest.Close()
	})()
	back := make(chan struct{})
	go func() {
		defer close(back)
		defer end()
		_, _ = io.Copy(user, guest)
	}()
	_, _ = io.Copy(guest, said)
	end()
	<-back
}
