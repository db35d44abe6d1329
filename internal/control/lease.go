package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// LeaseKind is why somebody uses an instance.
type LeaseKind string

// The kinds.
const (
	LeaseUse  LeaseKind = "use"  // for a while
	LeaseOwn  LeaseKind = "own"  // for a while, and it is to be stopped when nobody uses it after that
	LeaseKeep LeaseKind = "keep" // it is to stay, whatever those want who own it
)

// Lease is the use of an instance by this process. It ends with Release, with the process, and with the instance.
type Lease struct {
	client *Client
	id     string
	end    func()
}

// leaseTaken is the first line of a lease's answer. There is no other: the answer lasts as long as the lease.
type leaseTaken struct {
	ID string `json:"id"`
}

// leaseReturned is what is left when a lease was given back.
type leaseReturned struct {
	Users int  `json:"users"` // others who use the instance
	Stops bool `json:"stops"` // it is being stopped, because nobody uses it any more
}

// Lease takes one. An instance that is being stopped is an [*Error] with the code [CodeStopping].
func (c *Client) Lease(ctx context.Context, kind LeaseKind) (*Lease, error) {
	lasting, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })()
	defer time.AfterFunc(answerTimeout, func() { end(ErrUnresponsive) }).Stop()
	id, err := c.takeLease(lasting, kind)
	if err != nil {
		end(nil)
		return nil, err
	}
	return &Lease{c, id, func() { end(nil) }}, nil
}

// takeLease returns when the lease is there. It lasts until ctx is done.
func (c *Client) takeLease(ctx context.Context, kind LeaseKind) (id string, err error) {
	response, err := c.do(ctx, http.MethodGet, "/v1/lease?kind="+url.QueryEscape(string(kind)), nil)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		return "", read(response, nil)
	}
	context.AfterFunc(ctx, func() { _ = response.Body.Close() })
	var taken leaseTaken
	if err := json.NewDecoder(response.Body).Decode(&taken); err != nil {
		return "", fmt.Errorf("control: a lease that cannot be read: %w", err)
	}
	return taken.ID, nil
}

// Release ends the lease. It may be called twice.
func (l *Lease) Release() { l.end() }

// Return ends the lease, and tells how many others use the instance, and whether it is being stopped now.
func (l *Lease) Return(ctx context.Context) (users int, stops bool, err error) {
	var returned leaseReturned
	err = l.client.ask(ctx, http.MethodPost, "/v1/return?id="+url.QueryEscape(l.id), nil, &returned)
	l.Release()
	return returned.Users, returned.Stops, err
}

// lease holds the answer open for as long as the lease lasts.
func (v *Server) lease(w http.ResponseWriter, r *http.Request) {
	kind := LeaseKind(r.URL.Query().Get("kind"))
	if kind != LeaseUse && kind != LeaseOwn && kind != LeaseKeep {
		refuse(w, http.StatusBadRequest, &Error{Code: CodeRequest, Message: fmt.Sprintf("kind=%q: want use, own or keep", kind)})
		return
	}
	id, err := v.supervisor.Lease(kind)
	if err != nil {
		refuseFor(w, err)
		return
	}
	defer v.supervisor.Return(id)
	answer(w, leaseTaken{id})
	if http.NewResponseController(w).Flush() != nil {
		return
	}
	select {
	case <-r.Context().Done():
	case <-v.sessions.Done():
	}
}

func (v *Server) giveBack(w http.ResponseWriter, r *http.Request) {
	users, stops := v.supervisor.Return(r.URL.Query().Get("id"))
	answer(w, leaseReturned{users, stops})
}
