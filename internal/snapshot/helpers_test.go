package snapshot_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// captureEnv makes the test binary another process that reserves a snapshot: see TestTwoProcesses.
const captureEnv = "SNAPSHOT_TEST_CAPTURE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(captureEnv); dir != "" {
		capture(dir)
	}
	goleak.VerifyTestMain(m)
}

const mib = 1 << 20

var parts = snapshot.Parts{
	ImageDigest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	Layout:      qemu.Layout{Arch: qemu.AMD64, Machine: "pc-q35-9.0", CPU: "max", CPUs: 4, RAMMiB: 16},
	QEMU:        "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)",
	Accel:       "tcg",
	HostCPU:     "AMD EPYC family 25; avx avx2 sse",
	Format:      snapshot.Lazy,
	Version:     snapshot.Version,
}

func with(change func(*snapshot.Parts)) snapshot.Parts {
	p := parts
	change(&p)
	return p
}

var mapped = with(func(p *snapshot.Parts) { p.Format = snapshot.MappedRAM })

// overlay is the header of an empty qcow2 image over base.qcow2.
func overlay() []byte {
	const cluster = 1 << 16
	b := make([]byte, cluster)
	be, name := binary.BigEndian, "base.qcow2"
	be.PutUint32(b[0:], 0x514649fb)
	be.PutUint32(b[4:], 3)
	be.PutUint64(b[8:], 512) // the name's place
	be.PutUint32(b[16:], uint32(len(name)))
	be.PutUint32(b[20:], 16) // clusters of 2^16 bytes
	be.PutUint64(b[24:], 1<<30)
	be.PutUint32(b[96:], 4)
	be.PutUint32(b[100:], 104)
	copy(b[512:], name)
	return b
}

// fill writes what a capture writes: a sparse RAM with data at both ends and on the edge of a chunk.
func fill(t testing.TB, f snapshot.Files, p snapshot.Parts) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image.qcow2")
	write(t, image, []byte("the image"))
	if err := os.Link(image, f.Base); err != nil {
		t.Fatal(err)
	}
	write(t, f.Disk, overlay())
	ram := f.RAM
	if p.Format == snapshot.MappedRAM {
		ram = f.Savevm
	} else {
		write(t, f.State, []byte("the state of all devices"))
	}
	write(t, ram, []byte("low memory"))
	size := int64(p.Layout.RAMMiB) * mib
	if err := os.Truncate(ram, size); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{8*mib - 3, size - 6} {
		overwrite(t, ram, at, "memory")
	}
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// overwrite changes bytes of a file in place.
func overwrite(t testing.TB, path string, at int64, data string) {
	t.Helper()
	unlock(t, path)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(data), at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// unlock lets somebody who is not root, either, change a file that is only to be read.
func unlock(t testing.TB, path string) {
	t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// truncate gives a file another size.
func truncate(t testing.TB, path string, size int64) {
	t.Helper()
	unlock(t, path)
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func reserve(t testing.TB, s *snapshot.Store, p snapshot.Parts) *snapshot.Reservation {
	t.Helper()
	return must(t)(s.Reserve(within(t), p, func() { t.Error("has to wait") }))
}

// must takes what Reserve or Replace returns for a reservation.
func must(t testing.TB) func(*snapshot.Reservation, *snapshot.Snapshot, error) *snapshot.Reservation {
	return func(r *snapshot.Reservation, sn *snapshot.Snapshot, err error) *snapshot.Reservation {
		t.Helper()
		if err != nil || sn != nil || r == nil {
			t.Fatalf("got %v, %v, %v, want a reservation", r, sn, err)
		}
		return r
	}
}

// publish captures and publishes a snapshot, and closes it.
func publish(t testing.TB, s *snapshot.Store, p snapshot.Parts) {
	t.Helper()
	r := reserve(t, s, p)
	fill(t, r.Files(), p)
	finish(t, r)
}

func finish(t testing.TB, r *snapshot.Reservation) {
	t.Helper()
	sn, err := r.Publish(within(t), about)
	if err != nil {
		t.Fatal(err)
	}
	closeIt(t, sn)
}

var about = snapshot.Manifest{Argv: []string{"-machine", "pc-q35-9.0"}, GuestTools: true, Took: 7 * time.Second}

func find(t testing.TB, s *snapshot.Store, p snapshot.Parts) *snapshot.Snapshot {
	t.Helper()
	sn, err := s.Find(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeIt(t, sn) })
	return sn
}

func closeIt(t testing.TB, sn *snapshot.Snapshot) {
	t.Helper()
	if err := sn.Close(); err != nil {
		t.Error(err)
	}
}

// wantNone fails unless there is no snapshot, for a reason that has why in it.
func wantNone(t testing.TB, s *snapshot.Store, p snapshot.Parts, why string) {
	t.Helper()
	sn, err := s.Find(p)
	var none *snapshot.NoneError
	if !errors.As(err, &none) || !strings.Contains(none.Why, why) || why == "" && none.Why != "" {
		t.Errorf("got %v, %v, want none because of %q", sn, err, why)
	}
}

// names lists the store's directory, but for its lock.
func names(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// within is far more time than anything here takes.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// another runs this test binary as another process, which captures into the store in dir.
func another(t testing.TB, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t), self)
	cmd.Env = append(os.Environ(), captureEnv+"="+dir)
	return cmd
}
