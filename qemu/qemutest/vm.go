package qemutest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// VM is a machine that a test has started, real or played, with its sockets and files. It ends with the test.
type VM struct {
	*qemu.Process
	Dir            string
	Monitor, Agent string // sockets
	Log            string // standard error
}

// startTimeout bounds every step of [Boot], and of a VM's own conversations.
const startTimeout = 30 * time.Second

// Boot starts a layout with everything connected: an overlay over an empty disk, sockets, logs. change, which may be nil,
// has the last word about the wiring; a disk that it names must be there.
func Boot(t testing.TB, b *qemu.Binary, l qemu.Layout, change func(*qemu.Wiring)) *VM {
	t.Helper()
	dir := t.TempDir()
	v := &VM{Dir: dir, Monitor: filepath.Join(dir, "monitor.sock"), Agent: filepath.Join(dir, "qga.sock"), Log: filepath.Join(dir, "qemu.log")}
	zeros := filepath.Join(dir, "zeros")
	must(t, os.WriteFile(zeros, make([]byte, 1<<20), 0o600))
	w := qemu.Wiring{Name: "test", Placeholder: zeros, MonitorFD: 3, AgentFD: 4,
		Serial: filepath.Join(dir, "serial.log"), Accel: qemu.TCG, VMGenID: "auto", Sandbox: true}
	if change != nil {
		change(&w)
	}
	if w.Disk == "" {
		base := filepath.Join(dir, "base.qcow2")
		must(t, os.WriteFile(base, Qcow2(""), 0o600))
		w.Disk = Overlay(t, b, base)
	}
	argv, err := l.Argv(w)
	must(t, err)
	ml, mf, err := qemu.Listen(v.Monitor)
	must(t, err)
	al, af, err := qemu.Listen(v.Agent)
	must(t, err)
	v.Process, err = qemu.Start(qemu.Command{Path: b.Path, Args: argv, Files: []*os.File{mf, af}, Log: v.Log})
	must(t, err)
	t.Cleanup(func() { v.Kill(); <-v.Done() })
	for _, c := range []io.Closer{ml, mf, al, af} {
		must(t, c.Close())
	}
	return v
}

// Dial connects to the monitor, until the test ends. onEvent may be nil.
func (v *VM) Dial(t testing.TB, onEvent func(qmp.Event)) *qmp.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	q, err := qmp.Dial(ctx, v.Monitor, onEvent)
	if err != nil {
		said, _ := os.ReadFile(v.Log)
		t.Fatalf("%v\n%s", err, said)
	}
	t.Cleanup(func() { q.Close(); <-q.Done() })
	return q
}

// Overlay makes an overlay over a disk, in a folder of its own.
func Overlay(t testing.TB, b *qemu.Binary, base string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	path := filepath.Join(t.TempDir(), "disk,1.qcow2")
	must(t, b.CreateOverlay(ctx, base, path))
	return path
}

// must ends a test that cannot go on.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// counter is a guest without an operating system, for amd64: a boot sector that adds 1 to a number for ever, and writes to
// 112 pages each time.
var counter = []byte{
	0x31, 0xc0, // xor ax, ax
	0x8e, 0xd8, // mov ds, ax
	0x66, 0xff, 0x06, 0x00, 0x80, // top: inc dword [0x8000]
	0xb8, 0x00, 0x10, // mov ax, 0x1000
	0x8e, 0xc0, // next: mov es, ax
	0x26, 0xff, 0x06, 0x00, 0x00, // inc word [es:0]
	0x05, 0x00, 0x01, // add ax, 0x100
	0x3d, 0x00, 0x80, // cmp ax, 0x8000
	0x72, 0xf1, // jb next
	0xeb, 0xe7, // jmp top
}

// counterAddress is where the number is in the guest's RAM.
const counterAddress = 0x8000

// CounterDisk returns a disk with a guest that counts, for real QEMUs on amd64; elsewhere the test is skipped.
func CounterDisk(t testing.TB, b *qemu.Binary) string {
	t.Helper()
	if b.Arch != qemu.AMD64 {
		t.Skip("the guest that counts is for amd64")
	}
	sector := make([]byte, 1<<20)
	copy(sector, counter)
	binary.LittleEndian.PutUint16(sector[510:], 0xaa55)
	dir := t.TempDir()
	raw, disk := filepath.Join(dir, "raw"), filepath.Join(dir, "disk.qcow2")
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	must(t, errors.Join(os.WriteFile(raw, sector, 0o600), b.ConvertCompressed(ctx, raw, disk)))
	return disk
}

// Memory returns the first n bytes of the guest's memory.
func Memory(t testing.TB, q *qmp.Conn, n int) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	path := filepath.Join(t.TempDir(), "memory")
	must(t, q.Execute(ctx, "pmemsave", map[string]any{"val": 0, "size": n, "filename": path}, nil))
	memory, err := os.ReadFile(path)
	must(t, errors.Join(err, os.Remove(path))) // there may be many of them
	return memory
}

// Count returns the guest's number.
func Count(t testing.TB, q *qmp.Conn) uint32 {
	t.Helper()
	return binary.LittleEndian.Uint32(Memory(t, q, counterAddress+4)[counterAddress:])
}

// AwaitCount waits until the guest's number is above n, and returns it.
func AwaitCount(t testing.TB, q *qmp.Conn, n uint32) uint32 {
	t.Helper()
	for deadline := time.Now().Add(startTimeout); ; {
		if c := Count(t, q); c > n {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("the guest does not count beyond %d", n)
		}
	}
}
