package qemu_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// A QEMU that was asked before is not started again; the program is replaced by one that fails, and keeps its fingerprint.
func TestProbeCache(t *testing.T) {
	b, dir := qemutest.Binary(t, qemutest.Script{Accels: []qemu.Accel{qemu.KVM, qemu.HVF, qemu.TCG}}), t.TempDir()
	l := qemu.Default(b.Arch, 4096, 4)
	first, err := qemu.ProbeAccel(within(t, patience), b, l, dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(b.Path)
	info, serr := os.Stat(b.Path)
	if err := errors.Join(err, serr); err != nil {
		t.Fatal(err)
	}
	fails := "#!/bin/sh\nexit 1\n" + strings.Repeat("#", len(text)-len("#!/bin/sh\nexit 1\n"))
	if err := errors.Join(os.WriteFile(b.Path, []byte(fails), 0o700), os.Chtimes(b.Path, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	if again, err := qemu.ProbeAccel(within(t, patience), b, l, dir); err != nil || again.Accel != first.Accel {
		t.Errorf("the cache was not used: %v, %v", again, err)
	}
	l.CPU = "other"
	if _, err := qemu.ProbeAccel(within(t, patience), b, l, dir); err == nil || !strings.Contains(err.Error(), "runs no guest with any accelerator") {
		t.Errorf("the cache was used for another layout: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "accel-"+string(b.Arch)+".json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
}

// Why it is not the native accelerator is told to the user when that is found out, and to the log each time.
func TestProbeNoteIsToldOnce(t *testing.T) {
	b, dir := qemutest.Binary(t, qemutest.Script{}), t.TempDir()
	b.Arch = foreign()
	for n, told := range []bool{true, false} {
		choice, err := qemu.ProbeAccel(within(t, patience), b, qemu.Default(b.Arch, 4096, 4), dir)
		if err != nil || (choice.Note != "") != told || choice.Detail == "" {
			t.Errorf("time %d: got %+v, %v", n+1, choice, err)
		}
	}
}

// A probe that was cancelled says so, and leaves no answer.
func TestProbeCancelled(t *testing.T) {
	b, dir := qemutest.Binary(t, qemutest.Script{Accels: []qemu.Accel{"none"}}), t.TempDir()
	_, err := qemu.ProbeAccel(within(t, patience/100), b, qemu.Default(b.Arch, 4096, 4), dir)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Guests of another architecture run under TCG, and the note says why.
func TestProbeForeign(t *testing.T) {
	b := qemutest.Binary(t, qemutest.Script{})
	b.Arch = foreign()
	choice, err := qemu.ProbeAccel(within(t, patience), b, qemu.Default(b.Arch, 4096, 4), "")
	if err != nil || choice.Accel != qemu.TCG || !strings.Contains(choice.Note, "translated") {
		t.Errorf("got %v, %v", choice, err)
	}
}

// foreign is the architecture that this host is not of.
func foreign() qemu.Arch {
	if qemu.HostArch() == qemu.AMD64 {
		return qemu.ARM64
	}
	return qemu.AMD64
}
