package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// The product's developers run the mock OAuth server on their own machine, and the backend looks for it on this one.
const (
	mockOAuth     = "127.0.0.1:32202"
	mockOAuthHost = "host.docker.internal:32202"
)

// dialTimeout bounds a connection to the other side.
const dialTimeout = 10 * time.Second

// forward passes every connection to listener on to the address to, until ctx ends. It closes the listener, and the
// connections.
func forward(ctx context.Context, listener net.Listener, to string, log io.Writer) {
	var wait sync.WaitGroup
	defer wait.Wait()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				fmt.Fprintln(log, "entrypoint: forward:", err)
				_ = listener.Close()
			}
			return
		}
		wait.Go(func() {
			defer conn.Close() // when it has been said why
			if err := pass(ctx, conn, to); err != nil && ctx.Err() == nil {
				fmt.Fprintln(log, "entrypoint: forward:", err)
			}
		})
	}
}

// pass carries bytes both ways until both sides have ended.
func pass(ctx context.Context, conn net.Conn, to string) error {
	dialer := net.Dialer{Timeout: dialTimeout}
	other, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return err
	}
	defer other.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = conn.Close(), other.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		copyHalf(other, conn)
	}()
	copyHalf(conn, other)
	<-done
	return nil
}

// copyHalf carries bytes one way, and then the end of them. A connection that breaks off ends for both.
func copyHalf(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
