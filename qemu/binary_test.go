package qemu_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// install makes a fake the QEMU that the environment names.
func install(t *testing.T, s qemutest.Script) {
	t.Helper()
	b := qemutest.Binary(t, s)
	t.Setenv("QEMU_SYSTEM_X86_64", b.Path)
	t.Setenv("QEMU_SYSTEM_AARCH64", b.Path)
	t.Setenv("QEMU_IMG", b.Img)
}

func TestFind(t *testing.T) {
	install(t, qemutest.Script{Version: "9.2.1"})
	for _, arch := range []qemu.Arch{qemu.AMD64, qemu.ARM64} {
		b, err := qemu.Find(within(t, patience), arch)
		if err != nil || b.Version != (qemu.Version{Major: 9, Minor: 2, Micro: 1}) || b.Arch != arch || !strings.Contains(b.Build, "(fake)") {
			t.Errorf("got %+v, %v", b, err)
		}
	}
}

// The version of a program is asked once; that of a script, which may start any QEMU, each time.
func TestFindCached(t *testing.T) {
	real := qemutest.Real(t)
	cache := t.TempDir()
	env := map[qemu.Arch]string{qemu.AMD64: "QEMU_SYSTEM_X86_64", qemu.ARM64: "QEMU_SYSTEM_AARCH64"}[real.Arch]
	find := func() (string, error) {
		b, err := qemu.FindCached(within(t, patience), real.Arch, cache)
		if err != nil {
			return "", err
		}
		return b.Build, nil
	}
	ruined(t, real.Path, func(path string) {
		t.Setenv(env, path)
		if build, err := find(); err != nil || build != real.Build {
			t.Errorf("got %q, %v", build, err)
		}
	})
	if build, err := find(); err != nil || build != real.Build {
		t.Errorf("it was asked again: %q, %v", build, err)
	}
	b, err := qemu.FindCached(within(t, patience), real.Arch, cache)
	if err != nil {
		t.Fatal(err)
	}
	var same, other qmp.Version
	same.QEMU.Major, same.QEMU.Minor, same.QEMU.Micro = real.Version.Major, real.Version.Minor, real.Version.Micro
	other.QEMU.Major = 1
	if err := b.Confirm(same); err != nil {
		t.Error(err)
	}
	for range 2 { // the second time there is nothing to forget
		if err := b.Confirm(other); err == nil || !strings.Contains(err.Error(), "and runs as 1.0.0") {
			t.Error(err)
		}
	}
	if err := real.Confirm(other); err != nil { // it was asked, and has the last word
		t.Error(err)
	}
	if build, err := find(); err == nil {
		t.Errorf("it was not asked again: %q", build)
	}
	script := filepath.Join(t.TempDir(), "qemu")
	t.Setenv(env, script)
	for _, version := range []string{"9.1.0", "9.2.0"} {
		text := "#!/bin/sh\necho QEMU emulator version " + version + "\n"
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(script, time.Time{}, time.Unix(1, 0)); err != nil { // and the size is the same
			t.Fatal(err)
		}
		if build, err := find(); err != nil || !strings.HasSuffix(build, version) {
			t.Errorf("got %q, %v", build, err)
		}
	}
}

// Whoever has no QEMU, or an old one, learns what to do about it.
func TestFindSaysTheCure(t *testing.T) {
	cure := "install"
	install(t, qemutest.Script{Version: "7.2.19"})
	_, err := qemu.Find(within(t, patience), qemu.AMD64)
	if err == nil || !strings.Contains(err.Error(), "is version 7.2.19, and 9.0.0 or later is needed") || !strings.Contains(err.Error(), cure) {
		t.Errorf("got %v", err)
	}
	t.Setenv("QEMU_SYSTEM_X86_64", "")
	t.Setenv("PATH", t.TempDir())
	_, err = qemu.Find(within(t, patience), qemu.AMD64)
	if err == nil || !strings.Contains(err.Error(), "qemu-system-x86_64 is not installed") || !strings.Contains(err.Error(), cure) {
		t.Errorf("got %v", err)
	}
	t.Setenv("QEMU_SYSTEM_X86_64", "/no/such/qemu")
	if _, err = qemu.Find(within(t, patience), qemu.AMD64); err == nil || !strings.Contains(err.Error(), "QEMU_SYSTEM_X86_64: ") {
		t.Errorf("got %v", err)
	}
	if _, err = qemu.Find(within(t, patience), "mips"); err == nil {
		t.Error("there is no mips")
	}
}

func TestCapabilities(t *testing.T) {
	b := qemutest.Binary(t, qemutest.Script{})
	c, err := b.Capabilities(within(t, patience))
	if err != nil || !c.HasMigration("mapped-ram") || !c.HasDevice("vmgenid") || c.HasDevice("e1000") || c.HasMachine("none") {
		t.Errorf("got %+v, %v", c, err)
	}
	if m := c.NewestMachine(qemu.AMD64); m != "pc-q35-10.0" {
		t.Errorf("newest machine %q", m)
	}
}

func TestCapabilitiesOfABrokenQEMU(t *testing.T) {
	for name, c := range map[string]struct {
		script qemutest.Script
		want   string
	}{
		"dies":  {qemutest.Script{Refuse: "no libraries"}, "no libraries"},
		"hangs": {qemutest.Script{Monitor: qemutest.Monitor{Mute: true}}, "deadline exceeded"},
	} {
		b := qemutest.Binary(t, c.script)
		ctx := within(t, patience)
		if name == "hangs" {
			ctx = within(t, patience/100)
		}
		if _, err := b.Capabilities(ctx); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "qemu: capabilities of") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What is known about a binary is asked once, until the binary changes.
func TestCachedCapabilities(t *testing.T) {
	b, dir := qemutest.Binary(t, qemutest.Script{}), filepath.Join(t.TempDir(), "cache")
	if _, err := b.CachedCapabilities(within(t, patience), dir); err != nil {
		t.Fatal(err)
	}
	b.Build = "the same"
	if _, err := b.CachedCapabilities(within(t, patience), dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(b.Path)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Repeat("#", int(info.Size()))
	if err := os.WriteFile(b.Path, []byte(broken), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(b.Path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if c, err := b.CachedCapabilities(within(t, patience), dir); err != nil || !c.HasDevice("vmgenid") {
		t.Errorf("the cache was not used: %v", err)
	}
	b.Build = "another"
	if _, err := b.CachedCapabilities(within(t, patience), dir); err == nil {
		t.Error("the cache was used for another build")
	}
}

func TestRealFindAndCapabilities(t *testing.T) {
	b := qemutest.Real(t)
	c, err := b.Capabilities(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	if !c.HasMigration("mapped-ram") || !c.HasMachine(qemu.Default(b.Arch, 4096, 4).Machine) || !c.HasDevice("virtio-9p-pci") {
		t.Errorf("%s: %+v", b.Build, c)
	}
	if c.NewestMachine(b.Arch) == "" {
		t.Error("no versioned machine type")
	}
}
