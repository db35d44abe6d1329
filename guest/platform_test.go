package guest

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestPlatformOf(t *testing.T) {
	cases := []struct{ arch, goos, goarch, want string }{ // want: part of the error; "" for none
		{"amd64", "linux", "amd64", ""},
		{"arm64", "linux", "amd64", ""},
		{"arm64", "linux", "arm64", ""},
		{"amd64", "linux", "arm64", "an image of amd64 cannot be built on arm64, only on amd64; pull a published one"},
		{"riscv64", "linux", "amd64", "there are no images of riscv64: use [amd64 arm64]"},
		{"arm64", "darwin", "arm64", "an image cannot be built on darwin, only on Linux (Debian, Ubuntu); pull a published one"},
	}
	for _, c := range cases {
		p, err := platformOf(c.arch, c.goos, c.goarch)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s on %s/%s: %v, want %q", c.arch, c.goos, c.goarch, err, c.want)
		}
		if err == nil && len(p.packages) == 0 {
			t.Errorf("%s on %s/%s has no kernel", c.arch, c.goos, c.goarch)
		}
	}
}

// Each platform has the console of the contract, and the modules that the others build in.
func TestPlatforms(t *testing.T) {
	for arch, want := range map[string]struct{ console, kernel string }{
		"amd64": {"console=ttyS0,115200n8 ", "linux-image-amd64"},
		"arm64": {"console=ttyAMA0 ", "linux-image-arm64"},
	} {
		b := &builder{platform: platforms[arch]}
		line := b.platform.kernelCommandLine()
		if !strings.HasPrefix(line, want.console) || !strings.HasSuffix(line, " panic=-1") {
			t.Errorf("%s: command line %q", arch, line)
		}
		if !slices.Contains(b.packages(), want.kernel) || !slices.Contains(b.packages(), "systemd") {
			t.Errorf("%s: packages %q", arch, b.packages())
		}
		if got := slices.Contains(b.modules(), "drivers/acpi/button"); got != (arch == "amd64") {
			t.Errorf("%s: modules %q", arch, b.modules())
		}
	}
}

// Nothing of the machine is left out where its programs run by themselves.
func TestSlowToInstall(t *testing.T) {
	foreign := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	if native, translated := slowToInstall(runtime.GOARCH), slowToInstall(foreign); native != nil || len(translated) == 0 {
		t.Errorf("native %q, translated %q", native, translated)
	}
}

// All that is missing is named at once, each with its package.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	p := platform{
		programs: map[string]string{"no-such-loader": "loader-package"},
		files:    map[string]string{filepath.Join(t.TempDir(), "boot.img"): "image-package"},
	}
	err := p.missing()
	for _, want := range []string{"no-such-loader is missing: install the package loader-package", "boot.img is missing: install the package image-package"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

// A stand-in for arch-test shows what is said about each of its answers.
func TestCheckEmulation(t *testing.T) {
	foreign := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	for _, c := range []struct{ script, want string }{ // want: part of the error; "" for none
		{"", "arch-test is missing: install the packages arch-test and qemu-user-static"},
		{"#!/bin/sh\n[ \"$*\" = " + foreign + " ]\n", ""},
		{"#!/bin/sh\nexit 1\n", "programs of " + foreign + " do not run here: install the package qemu-user-static"},
	} {
		dir := t.TempDir()
		if c.script != "" {
			if err := os.WriteFile(filepath.Join(dir, "arch-test"), []byte(c.script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", dir)
		err := checkEmulation(t.Context(), foreign)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.script, err, c.want)
		}
	}
	if err := checkEmulation(t.Context(), runtime.GOARCH); err != nil { // which asks nobody
		t.Errorf("this machine's own programs: %v", err)
	}
}
