package e2e

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The host's disk is full while the guest writes: QEMU pauses the guest, the user is told, and when there is room the guest goes
// on as if nothing had been.
func TestDiskFull(t *testing.T) {
	e := newEmulatorWithout(t)
	e.smallDisk("1g")
	env := []string{"EMULATOR_NO_SNAPSHOT=1", "EMULATOR_SNAPSHOT_FORMAT=mapped-ram"} // on this disk there is no room for RAM
	c := e.up(env...)
	mine := e.worksWith(e.key())
	ballast := e.ballast(24 << 20)
	// It goes on by itself: the agent does not answer while the guest is paused.
	e.run(0, "exec", "--", "/bin/sh", "-c",
		"(head -c 64M /dev/urandom >/fill && sync && sha256sum /fill >/fill.sum && sync && touch /fill.done) >/dev/null 2>&1 &")
	c.Until(`warning: default: the disk is full: the guest is paused until there is room`)
	if out := e.run(4, "status"); !strings.Contains(out, "paused, the disk is full") {
		t.Errorf("status: %s", out)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	c.Until(`there is room on the disk again: the guest goes on`)
	e.eventually("healthy services", e.well)
	e.eventually("all that was to be written", func() error {
		if e.code("exec", "--", "/bin/sh", "-c", "test -e /fill.done") != 0 {
			return errNotYet
		}
		return nil
	})
	e.run(0, "exec", "--", "/bin/sh", "-c", "echo 3 >/proc/sys/vm/drop_caches; sha256sum -c /fill.sum && rm /fill*")
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("%+v, want %+v", kept, mine)
	}
	e.stop(c)
	again := e.up(env...)
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("after a stop and a start: %+v, want %+v", kept, mine)
	}
	e.stop(again)
}

// smallDisk moves home and image to a file system of that size. Only root can have one.
func (e *emulator) smallDisk(size string) {
	e.Helper()
	dir := e.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		e.Skipf("no small disk to be had: %v", err)
	}
	e.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	image := os.Getenv("STACKEMU_E2E_IMAGE")
	for _, path := range []string{image, image + ".json"} {
		if err := copyFile(filepath.Join(dir, filepath.Base(path)), path); err != nil {
			e.Fatal(err)
		}
	}
	e.home = filepath.Join(dir, "home")
	e.env = append(e.env, "STACK_EMULATOR_HOME="+e.home, "EMULATOR_IMAGE_DIR="+dir)
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}

// ballast is a file that leaves so many bytes of the disk.
func (e *emulator) ballast(left int64) string {
	e.Helper()
	var room syscall.Statfs_t
	if err := syscall.Statfs(e.home, &room); err != nil {
		e.Fatal(err)
	}
	path := filepath.Join(e.home, "ballast")
	f, err := os.Create(path)
	if err != nil {
		e.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(room.Bavail)*room.Bsize-left); err != nil {
		e.Fatal(err)
	}
	return path
}
