package instance

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/pack"
	"github.com/stackemu/stackemu/qemu"
)

func TestChooseFormat(t *testing.T) {
	both := []string{"x-ignore-shared", "mapped-ram", "multifd"}
	for name, c := range map[string]struct {
		has  []string
		wish snapshot.Format
		want snapshot.Format
		note string
	}{
		"any of both":           {both, "", snapshot.Lazy, ""},
		"lazy of both":          {both, snapshot.Lazy, snapshot.Lazy, ""},
		"mapped-ram of both":    {both, snapshot.MappedRAM, snapshot.MappedRAM, ""},
		"any of lazy":           {both[:1], "", snapshot.Lazy, ""},
		"any of mapped-ram":     {both[1:], "", snapshot.MappedRAM, ""},
		"lazy of mapped-ram":    {both[1:], snapshot.Lazy, snapshot.MappedRAM, "this QEMU has no x-ignore-shared: snapshots are mapped-ram, and not lazy"},
		"mapped-ram of lazy":    {both[:1], snapshot.MappedRAM, snapshot.Lazy, "this QEMU has no mapped-ram with multifd: snapshots are lazy, and not mapped-ram"},
		"mapped-ram, no multi":  {both[:2], snapshot.MappedRAM, snapshot.Lazy, "this QEMU has no mapped-ram with multifd: snapshots are lazy, and not mapped-ram"},
		"any of nothing":        {nil, "", "", "this QEMU cannot take snapshots (it has neither x-ignore-shared nor mapped-ram with multifd): every start boots from the disk"},
		"mapped-ram of nothing": {both[1:2], snapshot.MappedRAM, "", "this QEMU cannot take snapshots (it has neither x-ignore-shared nor mapped-ram with multifd): every start boots from the disk"},
	} {
		got, note := chooseFormat(c.wish, qemu.Capabilities{Migration: c.has})
		if got != c.want || note != c.note {
			t.Errorf("%s: %q, %q", name, got, note)
		}
	}
}

// mappedRAM is a configuration that wishes for the format.
func mappedRAM(t *testing.T) config.Config {
	t.Helper()
	c := configure(t)
	c.Format = snapshot.MappedRAM
	return c
}

// wanted gives what an instance would like to start from, and where that would be.
func wanted(t *testing.T, i *Instance) (Survey, *snapshot.Files) {
	t.Helper()
	s, err := i.Survey(t.Context(), Limits{})
	if err != nil || s.Want == nil {
		t.Fatalf("wants %v, %v", s.Want, err)
	}
	dir := t.TempDir()
	files := snapshot.Files{RAM: filepath.Join(dir, "ram"), State: filepath.Join(dir, "state"), Savevm: filepath.Join(dir, "savevm"),
		Base: filepath.Join(i.Files.Dir, "capture-base.qcow2"), Disk: filepath.Join(i.Files.Dir, "capture-disk.qcow2")}
	return s, &files
}

// RAM that QEMU reads as a whole is in no file, and nothing but the format is different in a key.
func TestMappedRAMIsAnonymous(t *testing.T) {
	c := mappedRAM(t)
	i := open(t, c)
	s, files := wanted(t, i)
	lazy := s.Want.Parts
	lazy.Format = snapshot.Lazy
	if s.Want.Parts.Format != snapshot.MappedRAM || lazy.Key() == s.Want.Parts.Key() {
		t.Errorf("parts %+v", s.Want.Parts)
	}
	b, err := i.Prepare(t.Context(), Choice{Capture: files})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.layout.RAMFile != "" || b.wiring.Incoming != qemu.NoIncoming || b.Sessions() {
		t.Errorf("RAM %q, incoming %v, sessions %v", b.layout.RAMFile, b.wiring.Incoming, b.Sessions())
	}
	b.Close()
	b, err = i.Prepare(t.Context(), Choice{Resume: files})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.layout.RAMFile != "" || b.wiring.Incoming != qemu.IncomingSnapshot || b.sessionFormat() != snapshot.MappedRAM {
		t.Errorf("RAM %q, incoming %v, session %q", b.layout.RAMFile, b.wiring.Incoming, b.sessionFormat())
	}
}

// How a session is saved follows from the RAM that there is.
func TestFormatOfTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		wish      snapshot.Format
		cantPages bool
		want      snapshot.Format
	}{
		"a cold boot":                       {"", false, snapshot.Lazy},
		"of who wishes for mapped-ram":      {snapshot.MappedRAM, false, snapshot.MappedRAM},
		"where pages cannot be told apart":  {"", true, snapshot.MappedRAM},
		"the same with a wish for the lazy": {snapshot.Lazy, true, snapshot.MappedRAM},
	} {
		conf := configure(t)
		conf.Format = c.wish
		i := open(t, conf)
		if _, err := i.Survey(t.Context(), Limits{Cold: true}); err != nil {
			t.Fatal(err)
		}
		if c.cantPages {
			i.surveyed.pages = false
		}
		b, err := i.Prepare(t.Context(), Choice{})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.sessionFormat(); got != c.want || (b.layout.RAMFile != "") != (got == snapshot.Lazy) {
			t.Errorf("%s: %q with RAM %q", name, got, b.layout.RAMFile)
		}
		b.Close()
	}
}

// A session that QEMU has written is resumed, whatever the next start wishes for, and uses no room once it is loaded.
func TestMappedSession(t *testing.T) {
	i := open(t, mappedRAM(t))
	b := prepare(t, i)
	if err := b.commit(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(i.Files.SessionNew, sessionSavevm), "savevm")
	if err := b.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Close()
	var record sessionRecord
	text, err := os.ReadFile(filepath.Join(i.Files.Session, sessionManifest))
	if err != nil || json.Unmarshal(text, &record) != nil || record.Savevm.Size != 6 || strings.Contains(string(text), `"ram":`) {
		t.Errorf("%s, %v", text, err)
	}
	i.config.Format = snapshot.Lazy
	b = prepare(t, i)
	if b.Way != Resume || b.wiring.Incoming != qemu.IncomingSnapshot || b.layout.RAMFile != "" || b.sessionFormat() != snapshot.MappedRAM {
		t.Errorf("way %v, incoming %v, RAM %q, session %q", b.Way, b.wiring.Incoming, b.layout.RAMFile, b.sessionFormat())
	}
	if err := b.session.claim(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{i.Files.Session, i.Files.SessionLive} {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
}

// The names beside the image lead to what is in use under the key.
func TestNamesOfASnapshot(t *testing.T) {
	i := open(t, mappedRAM(t))
	image := i.home.Image(i.config.Arch)
	write(t, image.Savevm, "foreign")
	if err := os.Symlink("/nowhere", image.SavevmRaw); err != nil { // of another key
		t.Fatal(err)
	}
	s, files := wanted(t, i)
	in := snapshot.FilesUnder(i.home.Snapshots, s.Want.Parts.Key())
	write(t, in.Savevm, "the state")
	if err := pack.Pack(t.Context(), in.Packed, in.Savevm, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		b, err := i.Prepare(t.Context(), Choice{Capture: files})
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(strings.Join(b.Notes, "\n"), "savevm.zst is not resumed but kept as stack-emulator-amd64.savevm.zst.original"); told != (n == 0) {
			t.Errorf("notes %q", b.Notes)
		}
		if err := errors.Join(b.Name(), b.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{image.SavevmRaw: in.Savevm, image.SavevmDisk: in.Disk} {
		if got, err := os.Readlink(name); err != nil || got != want {
			t.Errorf("%s leads to %s, %v", name, got, err)
		}
	}
	if a, b, err := both(image.Savevm, in.Packed); err != nil || !os.SameFile(a, b) || isForeign(image.Savevm) {
		t.Errorf("%s is another file, %v", image.Savevm, err)
	}
	if text, err := os.ReadFile(image.Savevm + foreignSuffix); err != nil || string(text) != "foreign" {
		t.Errorf("the other program's file has %q, %v", text, err)
	}
	if left, _ := filepath.Glob(filepath.Join(i.home.Images, ".*")); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

func both(a, b string) (os.FileInfo, os.FileInfo, error) {
	x, err := os.Lstat(a)
	y, err2 := os.Lstat(b)
	return x, y, errors.Join(err, err2)
}

// A lazy instance leaves another program's files where they are, and says once, when it captures, why it does not use them.
func TestForeignSnapshotBesideALazyOne(t *testing.T) {
	i := open(t, configure(t))
	image := i.home.Image(i.config.Arch)
	write(t, image.Savevm, "foreign")
	_, files := wanted(t, i)
	write(t, files.RAM, "")
	for n, choice := range []Choice{{Capture: files}, {Resume: files}} {
		b, err := i.Prepare(t.Context(), choice)
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if told := strings.Contains(strings.Join(b.Notes, "\n"), "is not resumed: it has no manifest of ours"); told != (n == 0) {
			t.Errorf("notes %q", b.Notes)
		}
	}
	if text, err := os.ReadFile(image.Savevm); err != nil || string(text) != "foreign" {
		t.Errorf("it has %q, %v", text, err)
	}
}
