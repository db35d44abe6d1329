package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu/qemutest"
)

// beside is a name that the product's tools have for a snapshot.
func (e *emulator) beside(suffix string) string {
	return e.file("images", "stack-emulator-amd64.savevm."+suffix)
}

// A mapped-ram snapshot does all that a lazy one does, and has the names that the product's tools look for.
func TestMappedRAM(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.up("--format", "mapped-ram")
	key := e.rotated()
	e.stop(c)
	e.says(c, "captures a snapshot first", "capturing", "saving", "resuming", "refreshing", "probing", "ready", "stopping", "saving", "stopped")
	e.saysNot(c, "cold-booting", "warning")
	for _, suffix := range []string{"zst", "raw", "disk.qcow2"} {
		if info, err := os.Stat(e.beside(suffix)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", suffix, err)
		}
	}
	for range 2 { // from its session, whatever format is wished for now
		c = e.up()
		if again := e.rotated(); again != key {
			t.Errorf("the key was %s and is %s", key, again)
		}
		e.stop(c)
		e.says(c, "preparing", "resuming", "ready", "saving", "stopped")
		e.saysNot(c, "capturing", "cold-booting", "warning")
	}
	e.run(0, "reset", "--yes")
	c = e.up("--format", "mapped-ram") // from the same snapshot again
	if again := e.rotated(); again == key {
		t.Error("the same key twice")
	}
	e.stop(c)
	e.saysNot(c, "capturing", "cold-booting", "warning")
}

// Both formats may be there beside each other.
func TestBothFormats(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	e.env = append(e.env, "EMULATOR_SNAPSHOT_FORMAT=mapped-ram")
	c := e.run(0, "capture")
	e.says(c, "captured the snapshot")
	if s := e.snapshots(); len(s) != 2 {
		t.Errorf("snapshots: %q", s)
	}
	c = e.up("--format", "lazy")
	e.stop(c)
	e.says(c, "resuming", "ready")
	e.saysNot(c, "capturing", "warning")
}

// The cache is made again when somebody has removed it to save room.
func TestCacheIsRestored(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture", "--format", "mapped-ram")
	for _, path := range []string{e.beside("raw"), e.file("snapshots", e.snapshots()[0], "savevm.raw")} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	c := e.up("--format", "mapped-ram")
	e.stop(c)
	e.says(c, "resuming", "ready")
	e.saysNot(c, "capturing", "cold-booting", "warning")
	if _, err := os.Stat(e.beside("raw")); err != nil {
		t.Error(err)
	}
}

// A damaged mapped-ram snapshot is set aside like any other.
func TestDamagedMappedSnapshot(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture", "--format", "mapped-ram")
	if err := truncate(e.file("snapshots", e.snapshots()[0], "savevm.raw")); err != nil {
		t.Fatal(err)
	}
	c := e.up("--format", "mapped-ram")
	e.rotated()
	e.stop(c)
	e.says(c, `^warning: default: set aside a damaged snapshot: .*savevm\.raw`, `captures a .*snapshot first.*\(the former one was damaged\)`, "capturing", "resuming", "ready")
}

// A snapshot that the product's own tools have made has lost its disk: it is never resumed, and nobody's file is lost.
func TestSnapshotOfOtherTools(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"lazy", "mapped-ram"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			e := newEmulator(t, healthy)
			for _, suffix := range []string{"zst", "raw"} {
				if err := os.WriteFile(e.beside(suffix), []byte("foreign"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := e.up("--format", format)
			e.stop(c)
			e.says(c, `stack-emulator-amd64\.savevm\.zst is not resumed.*no manifest of ours`, "capturing", "resuming", "ready")
			kept := e.beside("zst")
			if format == "mapped-ram" {
				kept += ".original"
			}
			if text, err := os.ReadFile(kept); err != nil || string(text) != "foreign" {
				t.Errorf("%s has %q, %v", kept, text, err)
			}
			e.run(0, "reset", "--yes")
			c = e.up("--format", format)
			e.stop(c)
			e.saysNot(c, "not resumed", "capturing")
		})
	}
}

// A session that QEMU has written is looked at as closely as any other.
func TestDamagedMappedSession(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	c := e.up("--format", "mapped-ram")
	key := e.rotated()
	e.stop(c)
	if err := truncate(e.file("run/vm/session/savevm.raw")); err != nil {
		t.Fatal(err)
	}
	c = e.up("--format", "mapped-ram")
	if again := e.rotated(); again != key {
		t.Errorf("the key was %s and is %s", key, again)
	}
	e.stop(c)
	e.says(c, `^warning: default: the saved session is not used .*savevm\.raw has changed since`, "cold-booting", "ready", "saving")
	c = e.up()
	e.stop(c)
	e.says(c, "resuming", "ready")
}

// A QEMU without the one format has the other; one without both boots, and says so once.
func TestQEMUDecidesAboutTheFormat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lacks   []string
		formats []string // wished for
		says    string
		resumes bool
	}{
		"no lazy":             {[]string{"x-ignore-shared"}, nil, "", true},
		"lazy is wished for":  {[]string{"x-ignore-shared"}, []string{"--format", "lazy"}, "this QEMU has no x-ignore-shared: snapshots are mapped-ram, and not lazy", true},
		"no mapped-ram":       {[]string{"multifd"}, []string{"--format", "mapped-ram"}, "this QEMU has no mapped-ram with multifd: snapshots are lazy, and not mapped-ram", true},
		"none":                {[]string{"x-ignore-shared", "mapped-ram"}, nil, "this QEMU cannot take snapshots", false},
		"none, and a wish":    {[]string{"x-ignore-shared", "mapped-ram"}, []string{"--format", "mapped-ram"}, "this QEMU cannot take snapshots", false},
		"both, and no wishes": {nil, nil, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthy
			s.Monitor.Replies = map[string]json.RawMessage{"query-migrate-capabilities": capabilities(t, c.lacks)}
			e := newEmulator(t, s)
			u := e.up(c.formats...)
			e.rotated()
			e.stop(u)
			if c.says != "" {
				e.says(u, "^warning: default: "+c.says)
			} else {
				e.saysNot(u, "warning")
			}
			if c.resumes {
				e.says(u, "capturing", "resuming", "ready")
			} else {
				e.says(u, "cold-booting", "ready")
				e.saysNot(u, "capturing")
			}
			_, err := filepath.EvalSymlinks(e.beside("zst"))
			if mapped := err == nil; mapped != strings.HasPrefix(name, "no lazy") && mapped != (name == "lazy is wished for") {
				t.Errorf("mapped-ram: %v", mapped)
			}
		})
	}
}

// capabilities is what a QEMU answers that lacks some.
func capabilities(t *testing.T, lacks []string) json.RawMessage {
	t.Helper()
	var list []map[string]any
	for _, name := range []string{"events", "x-ignore-shared", "mapped-ram", "multifd"} {
		if !strings.Contains(strings.Join(lacks, " "), name) {
			list = append(list, map[string]any{"capability": name, "state": false})
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, qemutest.Script{})
	for _, command := range []string{"up", "capture"} {
		e.complains(e.run(exitUsage, command, "--format", "qcow2"), `^stackemu: --format="qcow2" is not allowed; allowed: lazy, mapped-ram`)
	}
	e.env = append(e.env, "EMULATOR_SNAPSHOT_FORMAT=qcow2")
	e.complains(e.run(exitUsage, "up"), `^stackemu: EMULATOR_SNAPSHOT_FORMAT="qcow2" is not allowed; allowed: lazy, mapped-ram`)
}
