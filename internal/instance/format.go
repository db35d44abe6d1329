package instance

import (
	"context"
	"fmt"
	"os"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// format is one way in which RAM and devices of a machine get into files and back. Of the files it uses its own. The disk is
// nobody's here: it is the same for all.
//
// Snapshots are lazy or mapped, sessions mapped or pages.
type format interface {
	// save writes a paused machine, which stays paused.
	save(ctx context.Context, m *qmp.Conn, into snapshot.Files) error
	// resume readies a machine, before its QEMU is started, for the load.
	resume(b *Boot, from snapshot.Files)
	// load brings the files into a QEMU that waits for them. The guest is paused then.
	load(ctx context.Context, m *qmp.Conn, from snapshot.Files) error
}

// format is that of this run's snapshot.
func (b *Boot) format() format {
	if b.parts.Format == snapshot.MappedRAM {
		return mapped{b.layout.CPUs}
	}
	return lazy{}
}

// resumeFrom makes this run a resume.
func (b *Boot) resumeFrom(f format, from snapshot.Files) {
	b.Way = Resume
	f.resume(b, from)
	b.load = func(ctx context.Context, m *qmp.Conn) error { return f.load(ctx, m, from) }
}

// lazy: the guest's RAM is a file. It is shared with the machine that is captured, so that everything is in it at once, and a
// private mapping of those that are resumed: a page is read when it is used, and copied when it is written.
type lazy struct{}

func (lazy) save(ctx context.Context, m *qmp.Conn, into snapshot.Files) error {
	if err := private(into.State); err != nil {
		return err
	}
	return m.SaveLazy(ctx, into.State)
}

func (lazy) resume(b *Boot, from snapshot.Files) {
	b.wiring.Incoming, b.layout.RAMFile = qemu.IncomingSnapshot, from.RAM
}

func (lazy) load(ctx context.Context, m *qmp.Conn, from snapshot.Files) error {
	return m.LoadLazy(ctx, from.State)
}

// mapped: QEMU writes RAM and devices to one file and reads all of it again, by one thread for each vCPU. The guest's RAM is
// anonymous memory.
type mapped struct{ channels int }

func (f mapped) save(ctx context.Context, m *qmp.Conn, into snapshot.Files) error {
	if err := private(into.Savevm); err != nil {
		return err
	}
	return m.SaveMapped(ctx, into.Savevm, f.channels, nil)
}

func (mapped) resume(b *Boot, _ snapshot.Files) { b.wiring.Incoming = qemu.IncomingSnapshot }

func (f mapped) load(ctx context.Context, m *qmp.Conn, from snapshot.Files) error {
	return m.LoadMapped(ctx, from.Savevm, f.channels)
}

// pages: RAM is a private mapping of a file, and what the guest has written since goes over a copy of that file.
type pages struct{ *Boot }

func (f pages) save(ctx context.Context, m *qmp.Conn, into snapshot.Files) error {
	if err := private(into.State); err != nil {
		return err
	}
	if err := m.SaveDevices(ctx, into.State); err != nil {
		return err
	}
	if err := f.saveRAM(ctx, into.RAM); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

func (pages) resume(b *Boot, from snapshot.Files) {
	b.wiring.Incoming, b.layout.RAMFile = qemu.IncomingSession, from.RAM
}

func (pages) load(ctx context.Context, m *qmp.Conn, from snapshot.Files) error {
	return m.LoadDevices(ctx, from.State)
}

// needs is what a QEMU must have for each format, in the words of a note.
var needs = map[snapshot.Format]string{
	snapshot.Lazy:      "x-ignore-shared",
	snapshot.MappedRAM: "mapped-ram with multifd",
}

// chooseFormat picks the format that is wished for, "" for any, if this QEMU has it; else the other one; else none, "". The
// note says what the user would not expect.
func chooseFormat(wish snapshot.Format, caps qemu.Capabilities) (f snapshot.Format, note string) {
	has := map[snapshot.Format]bool{snapshot.Lazy: caps.Lazy(), snapshot.MappedRAM: caps.Mapped()}
	order := []snapshot.Format{snapshot.Lazy, snapshot.MappedRAM}
	if wish == snapshot.MappedRAM {
		order = []snapshot.Format{snapshot.MappedRAM, snapshot.Lazy}
	}
	for _, f := range order {
		if !has[f] {
			continue
		}
		if wish != "" && f != wish {
			return f, fmt.Sprintf("this QEMU has no %s: snapshots are %s, and not %s", needs[wish], f, wish)
		}
		return f, ""
	}
	return "", fmt.Sprintf("this QEMU cannot take snapshots (it has neither %s nor %s): every start boots from the disk",
		needs[snapshot.Lazy], needs[snapshot.MappedRAM])
}

// private makes a file that QEMU is to write: it would let the group read it.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
