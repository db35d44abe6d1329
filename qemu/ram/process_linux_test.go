package ram_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/ram"
	"golang.org/x/sys/unix"
)

// childEnv turns the test binary into a process that maps the file of this name as it is told, and lives as long as its
// standard input.
const childEnv = "STACKEMU_RAM_CHILD"

// The pages of the RAM file of the tests.
const pages = 600

var pageSize = os.Getpagesize()

func init() {
	if os.Getenv(childEnv) != "" {
		child()
	}
}

// child maps the file: privately, "shared", or in two "halves" far from each other; and writes to some pages.
func child() {
	f, err := os.Open(os.Getenv(childEnv))
	check(err)
	size, kind := pages*pageSize, syscall.MAP_PRIVATE
	mode := os.Getenv("MODE")
	if mode == "shared" {
		f, err = os.OpenFile(os.Getenv(childEnv), os.O_RDWR, 0)
		check(err)
		kind = syscall.MAP_SHARED
	}
	mem, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, kind)
	check(err)
	for _, p := range written {
		copy(mem[p*pageSize+7:], fmt.Sprintf("written to page %d", p))
	}
	clear(mem[zeroed*pageSize : (zeroed+zeroedPages)*pageSize])
	if mode == "halves" { // the kernel keeps them as two mappings
		check(syscall.Mprotect(mem[size/2:], syscall.PROT_READ))
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	check(err)
	os.Exit(0)
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// What the child does: pages that it writes to, and some that it fills with zeros.
var (
	written             = []int{0, 1, 2, 250, 299, 300, 301, pages - 1}
	zeroed, zeroedPages = 400, 100
)

// want is what the child's memory holds.
func want(file []byte) []byte {
	b := bytes.Clone(file)
	for _, p := range written {
		copy(b[p*pageSize+7:], fmt.Sprintf("written to page %d", p))
	}
	clear(b[zeroed*pageSize : (zeroed+zeroedPages)*pageSize])
	return b
}

// startChild makes the file and starts the child.
func startChild(t *testing.T, mode string) (id qemu.Identity, path string, content []byte, end func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ram.img")
	content = bytes.Repeat([]byte("file of the RAM\n"), pages*pageSize/16)
	if err := os.WriteFile(path, content, 0o400); err != nil {
		t.Fatal(err)
	}
	if mode == "shared" {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path, "MODE="+mode, "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := false
	end = func() {
		if !over {
			over = true
			in.Close()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(end)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	if id, err = qemu.IdentityOf(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return id, path, content, end
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// copyOf returns a file with a content, open for writing.
func copyOf(t *testing.T, content []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "copy.img"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// What the process has written is found and saved, whatever the file is called by now.
func TestSave(t *testing.T) {
	for _, mode := range []string{"one", "halves"} {
		t.Run(mode, func(t *testing.T) {
			id, path, content, _ := startChild(t, mode)
			base := stat(t, path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			runs, err := ram.Private(within(t, patience), id, base)
			private := int64((len(written) + zeroedPages) * pageSize)
			if err != nil || ram.Bytes(runs) != private || runs[0] != (ram.Run{Length: int64(3 * pageSize)}) {
				t.Fatalf("got %v, %v", runs, err)
			}
			dst := copyOf(t, content)
			var done, total int64
			n, err := ram.Save(within(t, patience), id, base, dst, func(d, all int64) { done, total = d, all })
			if err != nil || n != private || done != private || total != private {
				t.Errorf("%d bytes, progress %d of %d, want %d; %v", n, done, total, private, err)
			}
			got, err := os.ReadFile(dst.Name())
			if err != nil || !bytes.Equal(got, want(content)) {
				t.Errorf("the copy has other bytes than the memory (%v)", err)
			}
		})
	}
}

// Pages of zeros take no room, where the file system can do that.
func TestSaveLeavesHoles(t *testing.T) {
	id, path, content, _ := startChild(t, "one")
	dst := copyOf(t, content)
	probe := copyOf(t, content)
	if unix.Fallocate(int(probe.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 1<<20) != nil {
		t.Skip("the file system of temporary files has no holes")
	}
	if err := dst.Sync(); err != nil { // else nothing has blocks yet
		t.Fatal(err)
	}
	before := stat(t, dst.Name()).Sys().(*syscall.Stat_t).Blocks
	if _, err := ram.Save(within(t, patience), id, stat(t, path), dst, nil); err != nil {
		t.Fatal(err)
	}
	if after := stat(t, dst.Name()).Sys().(*syscall.Stat_t).Blocks; after >= before {
		t.Errorf("%d blocks before, %d after", before, after)
	}
}

func TestSaveRefuses(t *testing.T) {
	id, path, content, end := startChild(t, "one")
	ctx := within(t, patience)
	dst := copyOf(t, content)
	if _, err := ram.Save(ctx, id, stat(t, dst.Name()), dst, nil); !errors.Is(err, ram.ErrNotMapped) {
		t.Errorf("another file: %v", err)
	}
	other := id
	other.Start += "0"
	if _, err := ram.Save(ctx, other, stat(t, path), dst, nil); !errors.Is(err, ram.ErrGone) {
		t.Errorf("another process: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := ram.Save(cancelled, id, stat(t, path), dst, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	if _, err := ram.Save(ctx, id, stat(t, path), readOnly, nil); err == nil {
		t.Error("a file that cannot be written was written")
	}
	info := stat(t, path)
	end()
	if _, err := ram.Save(ctx, id, info, dst, nil); !errors.Is(err, ram.ErrGone) {
		t.Errorf("a process that has ended: %v", err)
	}
	if got, err := os.ReadFile(dst.Name()); err != nil || !bytes.Equal(got, content) {
		t.Error("something was written")
	}
	shared, path, _, _ := startChild(t, "shared")
	if _, err := ram.Private(ctx, shared, stat(t, path)); !errors.Is(err, ram.ErrShared) {
		t.Errorf("a shared file: %v", err)
	}
}

// A process that ends in the middle is no success.
func TestSaveOfADyingProcess(t *testing.T) {
	id, path, content, end := startChild(t, "one")
	_, err := ram.Save(within(t, patience), id, stat(t, path), copyOf(t, content), func(done, _ int64) { end() })
	if !errors.Is(err, ram.ErrGone) {
		t.Errorf("got %v", err)
	}
}

// Who may not look is told so. As root, the test looks with the eyes of nobody.
func TestSaveWithoutPermission(t *testing.T) {
	id, path, _, _ := startChild(t, "one")
	info := stat(t, path)
	if os.Getuid() != 0 {
		one, err := qemu.IdentityOf(1)
		if err != nil {
			t.Skip(err)
		}
		id = one
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if os.Getuid() == 0 {
			const nobody = 65534
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				result <- errno
				return
			}
		}
		_, err := ram.Private(context.Background(), id, info)
		result <- err
	}()
	err := <-result
	var denied *ram.PermissionError
	if !errors.As(err, &denied) || denied.PID != id.PID || !strings.Contains(err.Error(), "cannot be saved") {
		t.Errorf("got %v", err)
	}
}
