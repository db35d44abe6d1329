package instance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

// saved is an instance with a disk and a session, as a stop leaves them.
func saved(t *testing.T) *Instance {
	t.Helper()
	i := open(t, configure(t))
	b := prepare(t, i)
	if err := b.commit(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(i.Files.SessionNew, sessionRAM), "ram")
	write(t, filepath.Join(i.Files.SessionNew, sessionState), "state")
	if err := b.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Close()
	return i
}

func TestSessionIsResumedOnce(t *testing.T) {
	i := saved(t)
	b := prepare(t, i)
	if b.Way != Resume || b.wiring.Incoming != qemu.IncomingSession || b.layout.RAMFile != filepath.Join(i.Files.Session, sessionRAM) {
		t.Errorf("way %v, incoming %v, RAM %s", b.Way, b.wiring.Incoming, b.layout.RAMFile)
	}
	b.Close()
	if b = prepare(t, i); b.Way != Resume { // it was not claimed
		t.Errorf("way %v", b.Way)
	}
	if err := b.session.claim(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := os.Stat(i.Files.SessionLive); err == nil {
		t.Error("what it has gone on from is left")
	}
	if b = prepare(t, i); b.Way != Cold {
		t.Errorf("resumed twice: way %v", b.Way)
	}
}

// Whatever is wrong with a session, the data on the disk is booted, and the user is told.
func TestSessionThatDoesNotFit(t *testing.T) {
	in := filepath.Join
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, i *Instance)
		why   string
	}{
		{"no manifest", func(t *testing.T, i *Instance) { os.Remove(in(i.Files.Session, sessionManifest)) }, "no such file"},
		{"garbage", func(t *testing.T, i *Instance) { write(t, in(i.Files.Session, sessionManifest), "{") }, "unexpected end"},
		{"another version", func(t *testing.T, i *Instance) { write(t, in(i.Files.Session, sessionManifest), `{"version":99}`) }, "it has version 99"},
		{"no RAM", func(t *testing.T, i *Instance) { os.Remove(in(i.Files.Session, sessionRAM)) }, "ram.img has changed since"},
		{"truncated RAM", func(t *testing.T, i *Instance) { os.Truncate(in(i.Files.Session, sessionRAM), 1) }, "ram.img has changed since"},
		{"another state", func(t *testing.T, i *Instance) { write(t, in(i.Files.Session, sessionState), "other") }, "device.state has changed since"},
		{"a disk that went on", func(t *testing.T, i *Instance) { os.Truncate(i.Files.Disk, 1<<20) }, "disk.qcow2 has changed since"},
		{"another amount of RAM", func(t *testing.T, i *Instance) { i.config.RAMMiB = 2048 }, "RAM in MiB 4096 -> 2048"},
		{"cold boots only", func(t *testing.T, i *Instance) { i.config.NoSnapshot = true }, "booting from the disk is asked for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := saved(t)
			c.spoil(t, i)
			b := prepare(t, i)
			notes := strings.Join(b.Notes, "\n")
			if b.Way != Cold || !strings.Contains(notes, c.why) || !strings.Contains(notes, "no data on the disk is lost") {
				t.Errorf("way %v, notes %q", b.Way, notes)
			}
			if aside, _ := filepath.Glob(i.Files.Session + ".broken-*"); len(aside) != 1 {
				t.Errorf("set aside: %q", aside)
			}
			if _, err := os.Stat(i.Files.Disk); err != nil {
				t.Error(err)
			}
		})
	}
}

// A session that was being saved when everything ended is no session.
func TestHalfSavedSessionIsRemoved(t *testing.T) {
	i := saved(t)
	if err := os.Rename(i.Files.Session, i.Files.SessionNew); err != nil {
		t.Fatal(err)
	}
	if b := prepare(t, i); b.Way != Cold || len(b.Notes) > 0 {
		t.Errorf("way %v, notes %q", b.Way, b.Notes)
	}
	if _, err := os.Stat(i.Files.SessionNew); err == nil {
		t.Error("it is left")
	}
}

func TestReset(t *testing.T) {
	i := saved(t)
	if !i.HasData() {
		t.Error("no data before the reset")
	}
	if err := i.Reset(t.Context()); err != nil || i.HasData() {
		t.Errorf("data after the reset, %v", err)
	}
	if b := prepare(t, i); !b.fresh {
		t.Error("the next start is not a fresh one")
	}
}
