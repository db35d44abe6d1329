package qemu_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

func TestListen(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "short")}
	if runtime.GOOS == "linux" {
		deep := filepath.Join(dir, strings.Repeat("d", 100), strings.Repeat("e", 200))
		if err := os.MkdirAll(deep, 0o700); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(deep, "monitor.sock"))
	}
	for _, path := range paths {
		l, f, err := qemu.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		c, err := qemu.DialUnix(within(t, patience), path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		l.Close()
		if c, err = qemu.DialUnix(within(t, patience), path); err != nil {
			t.Fatalf("one copy is open: %v", err)
		}
		c.Close()
		f.Close()
		if _, err = qemu.DialUnix(within(t, patience), path); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("no copy is open: %v", err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the path is gone: %v", err)
		}
		// A left socket is replaced.
		l, f, err = qemu.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		f.Close()
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(dir, "no", "such", "dir"), filepath.Join(dir, strings.Repeat("n", 200))} {
		if l, f, err := qemu.Listen(path); err == nil {
			l.Close()
			f.Close()
			t.Errorf("%s was taken", path)
		} else if !strings.HasPrefix(err.Error(), "qemu: ") || !strings.Contains(err.Error(), path) {
			t.Error(err)
		}
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("the file in the way was removed")
	}
}
