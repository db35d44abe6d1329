package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// Whatever happens to a snapshot, the next start is a healthy one, says what was wrong, and leaves a good snapshot.
func TestDamagedSnapshot(t *testing.T) {
	e := newEmulatorWithout(t)
	e.capture()
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		says   string
	}{
		{"RAM cut off", func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, "ram.img"), 1<<20) }, "ram.img"},
		{"device state with another bit and the old time", func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "device.state"), true) }, "device.state"},
		{"another host's manifest", foreign, "manifest.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := e.in(t)
			old := e.captureTime()
			c.damage(t, e.generation())
			run := e.up()
			if !strings.Contains(run.Stdout(), "warning: default: set aside a damaged snapshot: ") || !strings.Contains(run.Stdout(), c.says) {
				t.Errorf("no warning about %s", c.says)
			}
			e.worksWith(e.key())
			if e.captureTime() == old {
				t.Error("the damaged snapshot is still in use")
			}
			e.stop(run)
			e.reset()
		})
	}
}

// A QEMU that cannot resume costs a cold boot, one warning, and after the third time the snapshot.
func TestResumeFails(t *testing.T) {
	e := newEmulatorWithout(t)
	e.capture()
	e.strike(2)
	broken := e.brokenQEMU()
	strict := e.startWith([]string{broken}, "up", "--require-snapshot")
	if code := strict.End(); code != 1 || !strings.Contains(strict.Stderr(), "default: resume: ") {
		t.Errorf("--require-snapshot: exit code %d: %s", code, strict.Stderr())
	}
	e.nothingLeft()
	if e.generation() != "" {
		t.Error("the snapshot is in use after its third failure")
	}
	e.capture()
	run := e.up(broken)
	if n := strings.Count(run.Stdout(), "boots from its disk instead"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	e.worksWith(e.key())
	e.stop(run)
	if e.generation() == "" {
		t.Error("one failure has cost the snapshot")
	}
}

// strike counts failures of the snapshot in use.
func (e *emulator) strike(times int) {
	e.Helper()
	c := e.config()
	i, err := instance.Open(c, home.DefaultInstance)
	if err != nil {
		e.Fatal(err)
	}
	defer i.Close()
	survey, err := i.Survey(e.Context(), instance.Limits{})
	if err != nil {
		e.Fatal(err)
	}
	store := snapshot.Open(c.Folders().Snapshots)
	for range times {
		held, err := store.Find(survey.Want.Parts)
		if err != nil {
			e.Fatal(err)
		}
		if _, err := store.Strike(held, errors.New("a test says so")); err != nil {
			e.Fatal(err)
		}
		if err := held.Close(); err != nil {
			e.Fatal(err)
		}
	}
}

// Another QEMU gets a snapshot of its own, and the line says why. The former one's is not kept.
func TestAnotherQEMU(t *testing.T) {
	e := newEmulatorWithout(t)
	e.capture()
	old := e.captureTime()
	path := filepath.Join(e.TempDir(), "qemu-system-x86_64")
	script := "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'QEMU emulator version 10.99.0'; exit; fi\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		e.Fatal(err)
	}
	run := e.up("QEMU_SYSTEM_X86_64=" + path)
	if !regexp.MustCompile(`captures a snapshot first: .*QEMU \S+ -> 10\.99\.0`).MatchString(run.Stdout()) {
		t.Error("no line says why")
	}
	e.worksWith(e.key())
	e.stop(run)
	if e.captureTime() == old {
		t.Error("the former QEMU's snapshot is in use")
	}
}

// brokenQEMU is a QEMU that does not survive a resume, as a variable of the environment. Its build is the real one's.
func (e *emulator) brokenQEMU() string {
	e.Helper()
	path := filepath.Join(e.TempDir(), "qemu-system-x86_64")
	script := "#!/bin/sh\ncase \" $* \" in *\" -incoming \"*) echo 'out of order' >&2; exit 3;; esac\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		e.Fatal(err)
	}
	return "QEMU_SYSTEM_X86_64=" + path
}

// A session that is damaged costs a cold boot, and no data.
func TestDamagedSession(t *testing.T) {
	e := newEmulator(t)
	run := e.up()
	mine := e.worksWith(e.key())
	e.stop(run)
	flip(t, e.file("session/device.state"), true)
	run = e.up()
	if !strings.Contains(run.Stdout(), "the saved session is not used and was set aside") {
		t.Error("no warning")
	}
	if kept := e.worksWith(e.key()); kept != mine {
		t.Errorf("%+v, want %+v", kept, mine)
	}
	e.stop(run)
}

func (e *emulator) capture() {
	e.Helper()
	c := e.start("capture")
	if code := c.End(); code != 0 {
		e.Fatalf("capture: exit code %d: %s", code, c.Stderr())
	}
}

// generation is the directory of the snapshot that is in use; "" for none.
func (e *emulator) generation() string {
	e.Helper()
	all, err := filepath.Glob(filepath.Join(e.home, "snapshots", "*"))
	if err != nil {
		e.Fatal(err)
	}
	for _, path := range all {
		if dir, err := filepath.EvalSymlinks(path); err == nil && dir != path {
			return dir
		}
	}
	return ""
}

// captureTime is when the snapshot in use was captured, as its manifest says.
func (e *emulator) captureTime() string {
	e.Helper()
	text, err := os.ReadFile(filepath.Join(e.generation(), "manifest.json"))
	if err != nil {
		e.Fatal(err)
	}
	match := regexp.MustCompile(`"created": *"([^"]+)"`).FindSubmatch(text)
	if match == nil {
		e.Fatalf("no time in %s", text)
	}
	return string(match[1])
}

// in is the emulator for a part of a test.
func (e *emulator) in(t *testing.T) *emulator {
	part := *e
	part.T = t
	return &part
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	unlock(t, path)
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// unlock lets somebody who is not root, either, change a file that is only to be read.
func unlock(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// foreign gives a snapshot the manifest of one that was captured on another processor.
func foreign(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "manifest.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	theirs := regexp.MustCompile(`("hostCPU": *")`).ReplaceAllString(string(text), "${1}another ")
	if theirs == string(text) {
		t.Fatalf("no processor in %s", text)
	}
	unlock(t, path)
	if err := os.WriteFile(path, []byte(theirs), 0o600); err != nil {
		t.Fatal(err)
	}
}

// flip turns a bit in the middle of a file round, and turns the file's time back if asked.
func flip(t *testing.T, path string, oldTime bool) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	one := make([]byte, 1)
	if _, err := f.ReadAt(one, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 1
	if _, err := f.WriteAt(one, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if oldTime {
		if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
}
