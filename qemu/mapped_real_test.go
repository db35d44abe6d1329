package qemu_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// A machine that waits for a mapped-ram snapshot is started as one that waits for a lazy one, but for where its RAM is: the
// layout is the same.
func TestArgvOfTheFormats(t *testing.T) {
	lazy, mapped := qemu.Default(qemu.AMD64, 4096, 4), qemu.Default(qemu.AMD64, 4096, 4)
	lazy.RAMFile = "/snapshots/key/ram.img"
	w := wiring(lazy)
	w.Incoming = qemu.IncomingSnapshot
	a, err := lazy.Argv(w)
	b, err2 := mapped.Argv(w)
	if err := errors.Join(err, err2); err != nil || len(a) != len(b) {
		t.Fatalf("%d and %d arguments, %v", len(a), len(b), err)
	}
	for n := range a {
		if a[n] != b[n] && (a[n-1] != "-object" || b[n] != "memory-backend-ram,id=ram0,size=4096M") {
			t.Errorf("%s and %s", a[n], b[n])
		}
	}
}

// A guest that was resumed from a mapped-ram snapshot is saved again as a session, and the session is resumed: with as many
// channels as it has vCPUs, and with whatever name its disk has been given meanwhile besides.
func TestRealMappedSession(t *testing.T) {
	b := qemutest.Real(t)
	l := small()
	ctx := within(t, 4*patience)
	c := capture(t, b, l, func(q *qmp.Conn, path string) error { return q.SaveMapped(ctx, path, l.CPUs, nil) })
	disk := qemutest.Overlay(t, b, c.disk)
	start := func() (*qemutest.VM, *qmp.Conn) {
		v := qemutest.Boot(t, b, l, func(w *qemu.Wiring) {
			w.Disk, w.VMGenID, w.Incoming = disk, generation, qemu.IncomingSnapshot
		})
		return v, v.Dial(t, nil)
	}
	for range 2 {
		v, q := start()
		if err := q.LoadMapped(ctx, c.state, l.CPUs); err != nil {
			t.Fatal(err)
		}
		c.check(t, q)
		named := disk + ".again"
		if err := os.Link(disk, named); err != nil {
			t.Fatal(err)
		}
		if err := q.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		c.memory, c.state = qemutest.Memory(t, q, ramSize), filepath.Join(t.TempDir(), "savevm")
		if err := errors.Join(q.SaveMapped(ctx, c.state, l.CPUs, nil), q.Quit(ctx)); err != nil {
			t.Fatal(err)
		}
		await(t, "the end of QEMU", v.Done())
		if err := os.Remove(disk); err != nil {
			t.Fatal(err)
		}
		disk = named // what it is to the next start
	}
}

// QEMU opens a disk by its name once more when a machine is saved, and refuses the save of one that was renamed: an
// instance gives its disk a second name instead (internal/instance). Should this fail, QEMU has been mended.
func TestRealRenamedDiskCannotBeSaved(t *testing.T) {
	b := qemutest.Real(t)
	disk := qemutest.Overlay(t, b, qemutest.CounterDisk(t, b))
	v := qemutest.Boot(t, b, small(), func(w *qemu.Wiring) { w.Disk = disk })
	q, ctx := v.Dial(t, nil), within(t, patience)
	count := qemutest.AwaitCount(t, q, 0)
	if err := errors.Join(q.Stop(ctx), os.Rename(disk, disk+".moved")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "savevm")
	var failure *qmp.MigrationError
	if err := q.SaveMapped(ctx, path, 2, nil); !errors.As(err, &failure) {
		t.Errorf("got %v", err)
	}
	if err := q.Cont(ctx); err != nil { // the guest can go on
		t.Fatal(err)
	}
	qemutest.AwaitCount(t, q, count)
}
