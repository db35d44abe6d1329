package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Firmware is found wherever a distribution puts it, also where QEMU is a link to somewhere else.
func TestFindFirmware(t *testing.T) {
	for _, name := range firmwareFiles {
		prefix := t.TempDir()
		cellar, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		program, want := place(t, cellar, "bin/qemu-system-aarch64"), place(t, cellar, name)
		link := filepath.Join(prefix, "bin/qemu-system-aarch64")
		if err := errors.Join(os.Mkdir(filepath.Dir(link), 0o755), os.Symlink(program, link)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{program, link} {
			if got, err := (&Binary{Path: path}).FindFirmware(); err != nil || got != want {
				t.Errorf("of %s: %q, %v, want %q", path, got, err, want)
			}
		}
	}
}

// Of two installations the first counts, and of two images in one the better.
func TestFindFirmwareOrder(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	place(t, first, "share/AAVMF/AAVMF_CODE.fd")
	want := place(t, first, "share/AAVMF/AAVMF_CODE.no-secboot.fd")
	place(t, second, "share/AAVMF/AAVMF_CODE.no-secboot.fd")
	if got, err := findFirmware([]string{first, second}); err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestNoFirmware(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, firmwareFiles[0]), 0o755); err != nil { // a directory is none
		t.Fatal(err)
	}
	if _, err := findFirmware([]string{dir}); err == nil || !strings.Contains(err.Error(), "no UEFI firmware for arm64 guests; ") {
		t.Errorf("%v", err)
	}
}

// place makes a file below dir.
func place(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}
