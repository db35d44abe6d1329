package qemutest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

// Environment of a test binary that plays: the script's path and the program's name.
const (
	scriptEnv  = "STACKEMU_QEMUTEST_SCRIPT"
	programEnv = "STACKEMU_QEMUTEST_PROGRAM"
)

// The programs that can be played.
const (
	systemProgram = "qemu-system"
	imgProgram    = "qemu-img"
)

// Main turns this process into a fake program if it was started as one, and then does not return. Call it first in
// TestMain.
func Main() {
	path := os.Getenv(scriptEnv)
	if path == "" {
		return
	}
	s, err := readScript(path)
	if err != nil {
		fatal(err)
	}
	switch os.Getenv(programEnv) {
	case imgProgram:
		err = playImg(os.Args[1:])
	default:
		err = play(s, os.Args[1:])
	}
	if err != nil {
		fatal(err)
	}
	os.Exit(0)
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "qemu-system-fake:", err)
	os.Exit(1)
}

func readScript(path string) (Script, error) {
	var s Script
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, err
}

// Binary returns a QEMU that plays a script. Its files go with the test; processes that the test has started are the
// test's to end.
func Binary(t testing.TB, s Script) *qemu.Binary {
	t.Helper()
	dir := t.TempDir()
	b := &qemu.Binary{Arch: qemu.HostArch()}
	script := scriptOf(dir)
	b.Path = writeProgram(t, dir, systemProgram, script)
	b.Img = writeProgram(t, dir, imgProgram, script)
	b.Version, b.Build = s.version(), "QEMU emulator version "+s.version().String()+" (fake)"
	Rewrite(t, b, s)
	return b
}

// Rewrite gives a QEMU that [Binary] has returned another script, for processes that are still to start.
func Rewrite(t testing.TB, b *qemu.Binary, s Script) {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	path := scriptOf(filepath.Dir(b.Path))
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // a process that starts just now reads one of the two
		t.Fatal(err)
	}
}

func scriptOf(dir string) string { return filepath.Join(dir, "script.json") }

// writeProgram writes a program that becomes the test binary, in the same process.
func writeProgram(t testing.TB, dir, name, script string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The race detector would hold every exit up for a second.
	text := fmt.Sprintf("#!/bin/sh\nexport %s=%s %s=%s GORACE=atexit_sleep_ms=0\nexec %s \"$@\"\n",
		scriptEnv, quote(script), programEnv, name, quote(self))
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// quote makes one word of a shell of s.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// version returns the version that the fake has.
func (s Script) version() qemu.Version {
	v := qemu.Version{Major: 10, Minor: 0, Micro: 2}
	if s.Version != "" {
		if _, err := fmt.Sscanf(s.Version, "%d.%d.%d", &v.Major, &v.Minor, &v.Micro); err != nil {
			panic(fmt.Sprintf("qemutest: version %q: %v", s.Version, err))
		}
	}
	return v
}
