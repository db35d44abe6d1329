package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/qemu"
)

// newFolder is a folder whose program has flaws.
func newFolder(t *testing.T, flaws ...string) *folder {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "GORACE=atexit_sleep_ms=0", "EMULATOR_RUN_DIR=/nowhere", "EMULATOR_NO_SNAPSHOT=1",
		"STACKEMU_BENCH_PART=program "+strings.Join(flaws, " "))
	f := &folder{root: t.TempDir(), program: self, env: env}
	f.image = home.ImageAt(filepath.Join(f.images(), "stack-emulator-amd64.qcow2"))
	for _, dir := range []string{f.images(), f.snapshots(), f.cache()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(f.image.Sidecar, []byte(`{"profile":"reference","services":["dashboard","backend"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if f.first, err = f.ports.block(); err != nil {
		t.Fatal(err)
	}
	return f
}

// nothingLeft checks that no home is left, and no QEMU.
func (f *folder) nothingLeft(t *testing.T, vms ...qemu.Identity) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(f.root, "home-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	for _, vm := range vms {
		if vm.Alive() {
			t.Errorf("QEMU %d is left", vm.PID)
			_ = vm.Kill()
		}
	}
}

func vmOf(t *testing.T, g guest) qemu.Identity {
	t.Helper()
	id, err := qemu.ReadPID(g.(*running).pid)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestStartStopAgain(t *testing.T) {
	f := newFolder(t)
	g, err := f.start(t.Context(), setup{ramMiB: 512})
	if err != nil {
		t.Fatal(err)
	}
	vm := vmOf(t, g)
	if g.took() <= 0 || !vm.Alive() {
		t.Errorf("took %v", g.took())
	}
	if m, err := g.memory(); err != nil || m.private() <= 0 {
		t.Errorf("%v, %v", m, err)
	}
	if took, err := g.stop(t.Context()); err != nil || took <= 0 || vm.Alive() {
		t.Errorf("took %v, %v", took, err)
	}
	if err := g.again(t.Context()); err != nil {
		t.Error(err)
	}
	second := vmOf(t, g)
	if err := g.end(); err != nil {
		t.Error(err)
	}
	f.nothingLeft(t, vm, second)
}

func TestStartsThatFail(t *testing.T) {
	for flaw, want := range map[string]string{
		"dies":     "up: it ended before it was ready\nstackemu: default: the reason",
		"captures": "up: it had to capture a snapshot first",
		"ill":      "dashboard is not healthy, though it was said to be: status 502 Bad Gateway",
	} {
		f := newFolder(t, flaw)
		if _, err := f.start(t.Context(), setup{ramMiB: 512}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", flaw, err)
		}
		f.nothingLeft(t)
	}
}

// Ctrl-C while an instance starts, and a program that does not mind it.
func TestInterruptedStart(t *testing.T) {
	defer func(was time.Duration) { endTimeout = was }(endTimeout)
	endTimeout = 100 * time.Millisecond
	for _, flaws := range [][]string{{"slow"}, {"slow", "stubborn"}} {
		f := newFolder(t, flaws...)
		ctx, cancel := context.WithCancel(t.Context())
		vm := make(chan qemu.Identity, 1)
		go func() {
			defer cancel()
			vm <- awaitVM(t, f)
		}()
		if _, err := f.start(ctx, setup{ramMiB: 512}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		f.nothingLeft(t, <-vm)
	}
}

// awaitVM waits until the program has started its QEMU.
func awaitVM(t *testing.T, f *folder) qemu.Identity {
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(f.root, "home-*", "run", "*", "qemu.pid"))
		if len(files) == 0 {
			continue
		}
		if id, err := qemu.ReadPID(files[0]); err == nil {
			return id
		}
	}
	t.Error("no QEMU")
	return qemu.Identity{}
}

// A program that was killed itself has not ended its QEMU.
func TestKilledProgram(t *testing.T) {
	f := newFolder(t)
	g, err := f.start(t.Context(), setup{ramMiB: 512})
	if err != nil {
		t.Fatal(err)
	}
	vm := vmOf(t, g)
	if err := g.(*running).child.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-g.(*running).child.done
	if !vm.Alive() {
		t.Error("QEMU has ended by itself: nothing to test")
	}
	if _, err := g.stop(t.Context()); err == nil {
		t.Error("a stop of nothing")
	}
	if err := g.end(); err != nil {
		t.Error(err)
	}
	f.nothingLeft(t, vm)
}

func TestEnvironment(t *testing.T) {
	f := newFolder(t)
	r, err := f.newRoom(setup{ramMiB: 1024, stale: true, apart: true})
	if err != nil {
		t.Fatal(err)
	}
	c := r.config
	if c.Home != r.dir || c.RunDir != filepath.Join(r.dir, "run") || c.ImageDir != f.images() || c.RAMMiB != 1024 || !c.NoRotation || c.NoSnapshot {
		t.Errorf("got %+v", c)
	}
	if c.Ports.Dashboard == f.first || c.Ports.Backend != c.Ports.Dashboard+1 || len(f.ports.given) != 2 {
		t.Errorf("ports %+v, given %v", c.Ports, f.ports.given)
	}
	if err := r.close(); err != nil || len(f.ports.given) != 1 {
		t.Errorf("%v, %v", err, f.ports.given)
	}
	f.nothingLeft(t)
}

func TestRoomWithAForeignSidecar(t *testing.T) {
	f := newFolder(t)
	if err := os.WriteFile(f.image.Sidecar, []byte(`{"profile":"unheard-of"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.newRoom(setup{ramMiB: 512, apart: true}); err == nil || !strings.Contains(err.Error(), "unheard-of") {
		t.Error(err)
	}
	f.nothingLeft(t)
}

func TestTail(t *testing.T) {
	var long tail
	for range 3 {
		_, _ = long.Write([]byte(strings.Repeat("x", tailBytes) + "\nlast\n"))
	}
	if len(long.text) != tailBytes || long.lastLine() != "last" {
		t.Errorf("%d bytes, last line %q", len(long.text), long.lastLine())
	}
	if none := (&tail{}).lastLine(); none != "" {
		t.Errorf("got %q", none)
	}
}
