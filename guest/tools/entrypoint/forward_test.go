package entrypoint

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dial connects to a listener, for a while.
func dial(t *testing.T, l net.Listener) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func TestForward(t *testing.T) {
	server, front := listen(t), listen(t)
	go func() { // answers when the question is over, as a half-closed connection lets it
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			question, _ := io.ReadAll(conn)
			_, _ = conn.Write(bytes.ToUpper(question))
			_ = conn.Close()
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		forward(ctx, front, server.Addr().String(), io.Discard)
	}()
	for range 2 {
		conn := dial(t, front)
		if _, err := conn.Write([]byte("question")); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || string(answer) != "QUESTION" {
			t.Errorf("%q, %v", answer, err)
		}
	}
	open := dial(t, front) // one that is open ends with all
	if _, err := open.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
	if _, err := io.ReadAll(open); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", front.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
	_ = server.Close()
}

func TestForwardToNobody(t *testing.T) {
	nobody, front := listen(t), listen(t)
	_ = nobody.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	log := new(bytes.Buffer)
	go func() {
		defer close(done)
		forward(ctx, front, nobody.Addr().String(), log)
	}()
	conn := dial(t, front)
	if answer, _ := io.ReadAll(conn); len(answer) > 0 {
		t.Errorf("somebody answered %q", answer)
	}
	cancel()
	<-done
	if !strings.Contains(log.String(), "refused") {
		t.Errorf("log %q", log)
	}
}
