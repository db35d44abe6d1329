package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// fake returns a connection to a played monitor.
func fake(t *testing.T, m qemutest.Monitor) *qmp.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	served := make(chan struct{})
	go func() { defer close(served); m.Serve(theirs) }()
	q, err := qmp.New(within(t, patience), ours, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close(); <-q.Done(); await(t, "the end of the fake", served) })
	return q
}

// incoming starts a played QEMU that waits for a state, and returns a connection to it.
func incoming(t *testing.T, s qemutest.Script, more ...string) (*qemu.Process, *qmp.Conn) {
	t.Helper()
	b := qemutest.Binary(t, s)
	sock := filepath.Join(t.TempDir(), "monitor.sock")
	l, f, err := qemu.Listen(sock)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-chardev", "socket,id=monitor,fd=3,server=on,wait=off", "-S", "-incoming", "defer"}, more...)
	p, err := qemu.Start(qemu.Command{Path: b.Path, Files: []*os.File{f}, Args: args})
	l.Close()
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done() })
	return p, dialReal(t, sock, nil)
}

// respond answers commands as a test wants, until the other side is gone.
func (p *peer) respond(answer func(r request) string) {
	for {
		line, err := p.r.ReadBytes('\n')
		var r request
		if err != nil || json.Unmarshal(line, &r) != nil {
			return
		}
		p.say(answer(r))
	}
}

// paused answers like a paused machine whose migrations are how query tells.
func paused(query func() string) func(r request) string {
	return func(r request) string {
		switch r.Execute {
		case "query-status":
			return answerTo(r, `{"running": false, "status": "paused"}`)
		case "query-migrate":
			return answerTo(r, query())
		}
		return answerTo(r, `{}`)
	}
}

func migrationEvent(status string) string {
	return fmt.Sprintf(`{"event": "MIGRATION", "data": {"status": %q}}`+"\r\n", status)
}

// Every format, with events and without.
func TestSaveAndLoad(t *testing.T) {
	for name, script := range map[string]qemutest.Migration{"events": {}, "no events": {NoEvents: true}, "slow": {Takes: 250 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := within(t, patience), t.TempDir()
			m := qemutest.Monitor{Migration: script}
			lazy, mapped, devices := filepath.Join(dir, "a,offset=1"), filepath.Join(dir, "mapped"), filepath.Join(dir, "devices")
			q := fake(t, m)
			saves := []func() error{
				func() error { return q.SaveDevices(ctx, devices) },
				func() error { return q.SaveLazy(ctx, lazy) },
				func() error { return q.SaveMapped(ctx, mapped, 2, nil) },
			}
			for _, save := range saves {
				if err := save(); !errors.Is(err, qmp.ErrRunning) {
					t.Errorf("a save of a guest that runs: %v", err)
				}
			}
			for _, save := range saves {
				if err := errors.Join(q.Stop(ctx), save(), q.Cont(ctx)); err != nil {
					t.Error(err)
				}
			}
			for path, load := range map[string]func(q *qmp.Conn) error{
				lazy:    func(q *qmp.Conn) error { return q.LoadLazy(ctx, lazy) },
				mapped:  func(q *qmp.Conn) error { return q.LoadMapped(ctx, mapped, 2) },
				devices: func(q *qmp.Conn) error { return q.LoadDevices(ctx, devices) },
			} {
				var more []string
				if path == devices {
					more = []string{"-global", "migration.send-configuration=off"}
				}
				_, q := incoming(t, qemutest.Script{Monitor: m}, more...)
				if err := load(q); err != nil {
					t.Error(err)
				}
				if s, err := q.Status(ctx); err != nil || s.Running || s.Status != "paused" {
					t.Errorf("%s: %+v, %v", path, s, err)
				}
			}
		})
	}
}

// Each format sets what it needs, and unsets what the others need.
func TestCapabilitiesOfTheFormats(t *testing.T) {
	ctx := within(t, patience)
	for want, run := range map[string]func(q *qmp.Conn) error{
		"events x-ignore-shared":    func(q *qmp.Conn) error { return q.SaveLazy(ctx, "f") },
		"events mapped-ram multifd": func(q *qmp.Conn) error { return q.LoadMapped(ctx, "f", 4) },
		"events":                    func(q *qmp.Conn) error { return q.LoadDevices(ctx, "f") },
	} {
		q, p := connect(t, nil)
		seen := make(chan []string, 1)
		channels := make(chan string, 1)
		go p.respond(func(r request) string {
			switch r.Execute {
			case "migrate-set-capabilities":
				var a struct {
					Capabilities []struct {
						Capability string
						State      bool
					}
				}
				if err := json.Unmarshal(r.Arguments, &a); err != nil || len(a.Capabilities) != 4 {
					t.Errorf("got %s, %v", r.Arguments, err)
				}
				var on []string
				for _, c := range a.Capabilities {
					if c.State {
						on = append(on, c.Capability)
					}
				}
				seen <- on
			case "migrate-set-parameters":
				channels <- string(r.Arguments)
			}
			return paused(func() string { return `{"status": "completed"}` })(r)
		})
		if err := run(q); err != nil {
			t.Error(err)
		}
		if got := strings.Join(<-seen, " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if strings.Contains(want, "multifd") && <-channels != `{"multifd-channels":4}` {
			t.Error("the number of channels is another one")
		}
	}
}

// An event of a migration before is not believed, and the frames may be cut anywhere.
func TestStaleEventAndSplitFrames(t *testing.T) {
	q, p := connect(t, nil)
	asked := 0
	go p.respond(func(r request) string {
		answer := paused(func() string {
			if asked++; asked == 1 {
				return `{"status": "active"}`
			}
			return `{"status": "completed"}`
		})(r)
		if r.Execute == "migrate" {
			answer = migrationEvent("completed") + answer + migrationEvent("active") + migrationEvent("completed")
		}
		for len(answer) > 1 {
			p.say(answer[:1])
			answer = answer[1:]
		}
		return answer
	})
	if err := q.SaveLazy(within(t, patience), "f"); err != nil || asked < 2 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

func TestProgress(t *testing.T) {
	q, p := connect(t, nil)
	left := 5
	go p.respond(paused(func() string {
		if left--; left < 0 {
			return `{"status": "completed"}`
		}
		if left == 4 {
			return `{"status": "setup"}` // without a word about RAM
		}
		return fmt.Sprintf(`{"status": "active", "ram": {"total": 400, "remaining": %d}}`, 100*left)
	}))
	var got []qmp.Progress
	if err := q.SaveMapped(within(t, patience), "f", 1, func(p qmp.Progress) { got = append(got, p) }); err != nil {
		t.Fatal(err)
	}
	if want := []qmp.Progress{{100, 400}, {200, 400}, {300, 400}, {400, 400}}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestSaveFails(t *testing.T) {
	ctx := within(t, patience)
	q := fake(t, qemutest.Monitor{Migration: qemutest.Migration{SaveError: "No space left on device"}})
	if err := q.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f")
	err := q.SaveLazy(ctx, path)
	var failure *qmp.MigrationError
	if !errors.As(err, &failure) || failure.Status != "failed" || failure.Desc != "No space left on device" {
		t.Errorf("got %v", err)
	}
	if want := "qmp: save without shared RAM to " + path + ": failed: No space left on device"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	var refusal *qmp.Error
	if err := q.SaveDevices(ctx, path); !errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
	if err := q.SaveLazy(ctx, "/no/such/folder/f"); !errors.As(err, &failure) || !errors.As(err, &refusal) || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("got %v", err)
	}
	if err := q.Cont(ctx); err != nil {
		t.Error(err)
	}
}

// QEMU may tell of a failed load, end over it, crash, or hang.
func TestLoadFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, []byte("something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		script qemutest.Migration
		old    string
		closed bool // certainly; a QEMU that ends by itself may have told why before
		text   string
	}{
		"told":        {text: "load of migration failed: Invalid argument"},
		"told late":   {script: qemutest.Migration{NoEvents: true, Takes: 150 * time.Millisecond}, text: "load of migration failed: Invalid argument"},
		"old QEMU":    {old: "9.0.2", text: "failed: "},
		"crash":       {script: qemutest.Migration{LoadDies: &qemutest.Exit{Signal: int(syscall.SIGSEGV)}}, closed: true, text: "connection closed"},
		"of its kind": {script: qemutest.Migration{LoadError: "Unknown ramblock"}, text: "Unknown ramblock"},
	} {
		t.Run(name, func(t *testing.T) {
			p, q := incoming(t, qemutest.Script{Version: c.old, Monitor: qemutest.Monitor{Migration: c.script}})
			err := q.LoadLazy(within(t, patience), path)
			var failure *qmp.MigrationError
			if !errors.As(err, &failure) || c.closed && !errors.Is(err, qmp.ErrClosed) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
			if strings.Count(err.Error(), "qmp:") != 1 {
				t.Errorf("got %q", err)
			}
			if c.closed || c.old != "" {
				await(t, "the end of QEMU", p.Done())
			}
		})
	}
}

func TestLoadOfAMissingFile(t *testing.T) {
	_, q := incoming(t, qemutest.Script{})
	err := q.LoadLazy(within(t, patience), "/no/such/file")
	var failure *qmp.MigrationError
	if !errors.As(err, &failure) || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("got %v", err)
	}
}

func TestLoadHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, q := incoming(t, qemutest.Script{Monitor: qemutest.Monitor{Migration: qemutest.Migration{LoadHangs: true}}})
	if err := q.LoadLazy(within(t, 300*time.Millisecond), path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if q.Err() != nil {
		t.Errorf("the connection ended: %v", q.Err())
	}
}

// The end of QEMU in the middle is seen at once, with no event and no answer.
func TestEndInTheMiddle(t *testing.T) {
	q, p := connect(t, nil)
	go func() {
		p.respond(func(r request) string {
			if r.Execute == "migrate" {
				p.say(answerTo(r, `{}`) + migrationEvent("active")[:20])
				p.c.Close()
			}
			return paused(func() string { return `{"status": "active"}` })(r)
		})
	}()
	err := q.SaveMapped(within(t, patience), "f", 2, nil)
	var failure *qmp.MigrationError
	if !errors.As(err, &failure) || !errors.Is(err, qmp.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Who gives up on a save leaves a QEMU that gives up too.
func TestCancelledSave(t *testing.T) {
	q, p := connect(t, nil)
	ctx, cancel := context.WithCancel(within(t, patience))
	cancelled := make(chan struct{})
	go p.respond(func(r request) string {
		switch r.Execute {
		case "migrate_cancel":
			close(cancelled)
		case "query-migrate":
			cancel()
		}
		return paused(func() string { return `{"status": "active"}` })(r)
	})
	if err := q.SaveMapped(ctx, "f", 2, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	await(t, "the cancel", cancelled)
}

// A save that QEMU itself was told to cancel has failed.
func TestSaveCancelledByOthers(t *testing.T) {
	q, p := connect(t, nil)
	go p.respond(paused(func() string { return `{"status": "cancelled"}` }))
	var failure *qmp.MigrationError
	if err := q.SaveLazy(within(t, patience), "f"); !errors.As(err, &failure) || failure.Status != "cancelled" {
		t.Errorf("got %v", err)
	}
}
