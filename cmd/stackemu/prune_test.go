package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/prune"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// pruned is what `prune --json` says, by path below the home.
func (e *emulator) pruned(args ...string) map[string]prune.Item {
	e.Helper()
	c := e.run(0, append([]string{"prune", "--json"}, args...)...)
	var answer struct {
		Command string
		Data    struct {
			DryRun  bool
			Removed []prune.Item
			Bytes   int64
		}
	}
	if err := json.Unmarshal([]byte(c.Stdout()), &answer); err != nil || answer.Command != "prune" || answer.Data.DryRun != (len(args) > 0) {
		e.Fatalf("%v in %s", err, c.Stdout())
	}
	items, bytes := map[string]prune.Item{}, int64(0)
	for _, item := range answer.Data.Removed {
		rel, err := filepath.Rel(e.home, item.Path)
		if err != nil {
			e.Error(err)
		}
		items[rel] = item
		bytes += item.Bytes
	}
	if bytes != answer.Data.Bytes {
		e.Errorf("%d bytes in all, want %d", answer.Data.Bytes, bytes)
	}
	return items
}

func TestPrune(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.says(e.run(0, "prune", "--dry-run"), "^there is nothing to remove$")
	u := e.up()
	e.says(e.run(0, "prune"), "^there is nothing to remove$") // of a VM that runs
	e.stop(u)
	if got := e.pruned(); len(got) != 0 {
		t.Errorf("of a stopped instance: %v", got)
	}
	kept := e.snapshots()
	if err := os.MkdirAll(e.file("run/vm/session.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.file("run/vm/session.new/ram.img"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	key, _, _ := strings.Cut(filepath.Base(kept[0]), ".")
	broken := "snapshots/" + key + ".broken-20260101-000000.000000"
	if err := os.MkdirAll(e.file(broken), 0o700); err != nil {
		t.Fatal(err)
	}
	e.says(e.run(0, "prune", "--dry-run"), `^would remove run/vm/session.new, 1\.0 MiB: a run that was cut off has left it$`,
		"^would remove "+broken+", .*: broken snapshot$", `^would remove 2, `)
	if got := e.pruned("--dry-run"); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	if got := e.pruned(); len(got) != 2 || got["run/vm/session.new"].Kind != prune.Leftover || got[broken].Kind != prune.Snapshot {
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"run/vm/session.new", broken} {
		if _, err := os.Stat(e.file(name)); err == nil {
			t.Errorf("%s is left", name)
		}
	}
	if now := e.snapshots(); strings.Join(now, " ") != strings.Join(kept, " ") {
		t.Errorf("snapshots: %q, want %q", now, kept)
	}
	again := e.up() // from its session: nothing is lost
	e.stop(again)
	e.saysNot(again, "capturing", "cold-booting")
}

func TestPruneAfterAnotherQEMU(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	s := healthy
	s.Version = "11.9.0"
	other := qemutest.Binary(t, s)
	e.env = append(e.env, "QEMU_SYSTEM_X86_64="+other.Path)
	got := e.pruned()
	if len(got) != 1 || len(e.snapshots()) != 0 {
		t.Errorf("got %v", got)
	}
	for _, item := range got {
		if !strings.HasPrefix(item.Why, "another QEMU has captured it: ") {
			t.Errorf("got %+v", item)
		}
	}
}

// A mapped-ram snapshot takes the names with it that it had beside the image.
func TestPruneOfNames(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture", "--format", "mapped-ram")
	if got := e.pruned(); len(got) != 0 {
		t.Errorf("of a snapshot of use: %v", got)
	}
	s := healthy
	s.Version = "11.9.0"
	e.env = append(e.env, "QEMU_SYSTEM_X86_64="+qemutest.Binary(t, s).Path)
	dry, got := e.pruned("--dry-run"), e.pruned()
	if len(got) != 4 || len(dry) != 4 {
		t.Errorf("got %v, in a dry run %v", got, dry)
	}
	for _, suffix := range []string{"zst", "raw", "disk.qcow2"} {
		if _, err := os.Lstat(e.beside(suffix)); err == nil {
			t.Errorf("savevm.%s is left", suffix)
		}
	}
}

// Without an image nobody knows what is of use, and the folder may be the wrong one.
func TestPruneWithoutAnImage(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	e.env = append(e.env, "EMULATOR_IMAGE_DIR="+t.TempDir())
	if got := e.pruned(); len(got) != 0 || len(e.snapshots()) != 1 {
		t.Errorf("got %v", got)
	}
	e.complains(e.run(exitUsage, "prune", "all"), `prune takes no argument \("all"\)`)
}
