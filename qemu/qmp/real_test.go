package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// startReal starts a real QEMU without a machine, and returns its process and its monitor's socket.
func startReal(t *testing.T) (*qemu.Process, string) {
	t.Helper()
	b := qemutest.Real(t)
	sock := filepath.Join(t.TempDir(), "monitor.sock")
	l, f, err := qemu.Listen(sock)
	if err != nil {
		t.Fatal(err)
	}
	p, err := qemu.Start(qemu.Command{Path: b.Path, Files: []*os.File{f}, Args: []string{
		"-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-S",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-chardev", "socket,id=monitor,fd=3,server=on,wait=off", "-mon", "chardev=monitor,mode=control"}})
	l.Close()
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done() })
	return p, sock
}

func dialReal(t *testing.T, sock string, onEvent func(qmp.Event)) *qmp.Conn {
	t.Helper()
	q, err := qmp.Dial(within(t, patience), sock, onEvent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close(); <-q.Done() })
	return q
}

// The schema is one line of 236 KB.
func TestRealSchema(t *testing.T) {
	_, sock := startReal(t)
	q := dialReal(t, sock, nil)
	var schema []json.RawMessage
	if err := q.Execute(within(t, patience), "query-qmp-schema", nil, &schema); err != nil || len(schema) < 500 {
		t.Fatalf("%d entities, %v", len(schema), err)
	}
	var refusal *qmp.Error
	if err := q.Execute(within(t, patience), "no-such-command", nil, nil); !errors.As(err, &refusal) || refusal.Class != "CommandNotFound" {
		t.Errorf("got %v", err)
	}
}

// A QEMU that does not answer costs its callers their deadlines, and nothing more.
func TestRealStopAndContinue(t *testing.T) {
	p, sock := startReal(t)
	q := dialReal(t, sock, nil)
	p.Signal(syscall.SIGSTOP)
	for range 3 {
		began := time.Now()
		_, err := q.Status(within(t, 50*time.Millisecond))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	}
	p.Signal(syscall.SIGCONT)
	if s, err := q.Status(within(t, patience)); err != nil || s.Running || s.Status != "prelaunch" {
		t.Fatalf("got %+v, %v", s, err)
	}
	if q.Err() != nil {
		t.Fatal(q.Err())
	}
}

// A write that a stopped QEMU does not take is bounded too.
func TestRealStoppedWrite(t *testing.T) {
	p, sock := startReal(t)
	q := dialReal(t, sock, nil)
	p.Signal(syscall.SIGSTOP)
	args := map[string]string{"pad": strings.Repeat("x", 1<<20)}
	if err := q.Execute(within(t, time.Second), "query-status", args, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if !errors.Is(q.Err(), qmp.ErrClosed) {
		t.Errorf("half a command is on the wire, and the connection goes on")
	}
	// A dial to a stopped QEMU gets its connection, and no greeting.
	if _, err := qmp.Dial(within(t, 100*time.Millisecond), sock, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	p.Signal(syscall.SIGCONT)
	if _, err := dialReal(t, sock, nil).Status(within(t, patience)); err != nil {
		t.Errorf("QEMU did not recover: %v", err)
	}
}

func TestRealReconnect(t *testing.T) {
	p, sock := startReal(t)
	first := dialReal(t, sock, nil)
	if _, err := qmp.Dial(within(t, 100*time.Millisecond), sock, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second client at the same time: %v", err)
	}
	for range 5 {
		first.Close()
		first = dialReal(t, sock, nil)
		if _, err := first.Status(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	p.Kill()
	await(t, "the end of the connection", first.Done())
	<-p.Done()
	if _, err := qmp.Dial(within(t, patience), sock, nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial of a dead QEMU: %v", err)
	}
}

// Quit ends QEMU with exit code 0, and the event that says why is there before the end.
func TestRealQuit(t *testing.T) {
	p, sock := startReal(t)
	var reasons []any
	q := dialReal(t, sock, func(e qmp.Event) {
		if e.Event == "SHUTDOWN" {
			reasons = append(reasons, e.Data["reason"])
		}
	})
	if err := q.Quit(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of the connection", q.Done())
	await(t, "the end of QEMU", p.Done())
	if p.Err() != nil || len(reasons) != 1 || reasons[0] != "host-qmp-quit" {
		t.Errorf("got %v and %v", p.Err(), reasons)
	}
}
