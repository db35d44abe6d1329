package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// tokenSize is how long a token is, in bytes.
const tokenSize = 32

const (
	// tokenTimeout is how long somebody who has connected may take to say the token.
	tokenTimeout = 5 * time.Second
	// maxGuesses bounds how many may be asked for it at once. Every process of this host can connect.
	maxGuesses = 16
)

// ErrNotCome says that the guest has not connected in time.
var ErrNotCome = errors.New("the guest did not connect")

// Awaited is a port at which one guest is waited for.
type Awaited struct {
	listener *net.TCPListener
	token    []byte
}

// Await begins to wait. The caller has to Close it.
func Await() (*Awaited, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	a := &Awaited{l, make([]byte, tokenSize)}
	_, _ = rand.Read(a.token) // never fails
	return a, nil
}

// Invite is what to tell the guest.
func (a *Awaited) Invite(keys GuestKeys) Invitation {
	return Invitation{Port: a.listener.Addr().(*net.TCPAddr).Port, Token: a.token, Keys: keys}
}

// Close ends the wait. A connection that has come goes on.
func (a *Awaited) Close() { _ = a.listener.Close() }

// Conn waits until somebody has said the token, and closes the port. Others are hung up on.
func (a *Awaited) Conn(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer a.Close()
	defer cancel()
	came := make(chan net.Conn)
	guesses := make(chan struct{}, maxGuesses)
	all.Go(func() {
		for {
			c, err := a.listener.Accept()
			if err != nil {
				cancel() // for us it is over, whatever the reason
				return
			}
			select {
			case guesses <- struct{}{}:
			default:
				_ = c.Close()
				continue
			}
			all.Go(func() {
				defer func() { <-guesses }()
				if !a.knows(ctx, c) {
					_ = c.Close()
					return
				}
				select {
				case came <- c:
				case <-ctx.Done():
					_ = c.Close()
				}
			})
		}
	})
	select {
	case c := <-came:
		return c, nil
	case <-ctx.Done():
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			return nil, cause
		}
		return nil, ErrNotCome
	}
}

// knows tells whether who has connected says the token.
func (a *Awaited) knows(ctx context.Context, c net.Conn) bool {
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	_ = c.SetDeadline(time.Now().Add(tokenTimeout))
	said := make([]byte, tokenSize)
	if _, err := io.ReadFull(c, said); err != nil || subtle.ConstantTimeCompare(said, a.token) != 1 {
		return false
	}
	return c.SetDeadline(time.Time{}) == nil
}
