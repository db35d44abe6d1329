package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// snapshotHome is a home with an image and one snapshot of it, which no QEMU has seen.
type snapshotHome struct {
	*testing.T
	dir   string
	parts snapshot.Parts
}

const snapshotRAM = 9 // MiB

func newSnapshotHome(t *testing.T) *snapshotHome {
	t.Helper()
	h := &snapshotHome{T: t, dir: t.TempDir()}
	image := qemutest.Qcow2("")
	h.write(h.image(), image)
	h.parts = snapshot.Parts{
		ImageDigest: fmt.Sprintf("sha256:%x", sha256.Sum256(image)), QEMU: "QEMU emulator version 10.0.2", Accel: "tcg", HostCPU: "some; sse",
		Layout: qemu.Layout{Arch: qemu.AMD64, Machine: "pc-q35-9.0", CPU: "max", CPUs: 2, RAMMiB: snapshotRAM},
		Format: snapshot.Lazy, Version: snapshot.Version,
	}
	h.publish(h.parts)
	return h
}

func (h *snapshotHome) image() string {
	return filepath.Join(h.dir, "images/stack-emulator-amd64.qcow2")
}

func (h *snapshotHome) store() *snapshot.Store {
	return snapshot.Open(filepath.Join(h.dir, "snapshots"))
}

func (h *snapshotHome) file(name string) string {
	return filepath.Join(h.dir, "snapshots", h.parts.Key(), name)
}

func (h *snapshotHome) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *snapshotHome) write(path string, data []byte) {
	h.Helper()
	h.must(errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)))
}

func (h *snapshotHome) publish(p snapshot.Parts) {
	h.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, _, err := h.store().Reserve(ctx, p, nil)
	h.must(err)
	f := r.Files()
	h.must(os.Link(h.image(), f.Base))
	h.write(f.Disk, qemutest.Qcow2("base.qcow2"))
	h.write(f.State, []byte("all devices"))
	h.write(f.RAM, []byte("low memory"))
	h.must(os.Truncate(f.RAM, snapshotRAM<<20))
	sn, err := r.Publish(ctx, snapshot.Manifest{Argv: []string{"-m", "9"}})
	h.must(err)
	h.must(sn.Close())
}

// cli runs the command and returns what it has written.
func (h *snapshotHome) cli(code int, args ...string) (stdout, stderr string) {
	h.Helper()
	self, err := os.Executable()
	h.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, self, append([]string{"snapshot"}, args...)...)
	cmd.Env = append(os.Environ(), "STACKEMU_TEST_RUN=1", "STACK_EMULATOR_HOME="+h.dir, "EMULATOR_ARCH=amd64")
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		h.Fatalf("snapshot %q: exit code %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	return out.String(), errs.String()
}

func (h *snapshotHome) has(text string, want ...string) {
	h.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			h.Errorf("no %q in\n%s", w, text)
		}
	}
}

func TestSnapshotLs(t *testing.T) {
	h := newSnapshotHome(t)
	out, _ := h.cli(0, "ls")
	h.has(out, h.parts.Key(), "lazy", "ready", "9.3 MiB", "9 MiB RAM", "tcg")
	out, _ = h.cli(0, "ls", "--json")
	var answer struct{ Data []listed }
	h.must(json.Unmarshal([]byte(out), &answer))
	if all := answer.Data; len(all) != 1 || all[0].Key != h.parts.Key() || !all[0].InUse || all[0].Size < 9<<20 || all[0].Allocated > 1<<20 || all[0].Parts != h.parts {
		t.Errorf("got %+v", all)
	}
	h.dir = t.TempDir()
	out, _ = h.cli(0, "ls")
	h.has(out, "stackemu capture")
	out, _ = h.cli(0, "ls", "--json")
	h.has(out, `"command": "snapshot ls"`, `"data": []`)
}

func TestSnapshotCheck(t *testing.T) {
	h := newSnapshotHome(t)
	out, _ := h.cli(0, "check")
	h.has(out, h.parts.Key()+" is well\n", "ram.img", "device.state", "not packed")
	out, _ = h.cli(0, "check", h.parts.Key()[:6], "--read-data")
	h.has(out, "is well, every byte")

	info, err := os.Stat(h.file("ram.img"))
	h.must(err)
	h.must(os.Chmod(h.file("ram.img"), 0o600))
	f, err := os.OpenFile(h.file("ram.img"), os.O_WRONLY, 0)
	h.must(err)
	_, err = f.WriteAt([]byte("x"), 5<<20)
	h.must(errors.Join(err, f.Close(), os.Chtimes(f.Name(), info.ModTime(), info.ModTime())))
	h.cli(0, "check") // nobody can see that without reading
	out, errs := h.cli(exitFailed, "check", "--read-data", "--json")
	var answer struct {
		Data  []checked
		Error control.Error
	}
	h.must(json.Unmarshal([]byte(out), &answer))
	all := answer.Data
	if errs != "" || len(all) != 1 || all[0].Well || all[0].Files[0].Well || !strings.Contains(all[0].Files[0].Error, "between the bytes 4194304 and 8388608") {
		t.Errorf("got %+v", all)
	}
	h.has(answer.Error.Message, "snapshot "+h.parts.Key()+" is damaged: ram.img has changed", "set aside as "+all[0].Aside, "the next start captures a new one")
	out, _ = h.cli(0, "check")
	h.has(out, "there is no snapshot to check")
	out, _ = h.cli(0, "ls")
	h.has(out, "broken snapshot")
}

func TestSnapshotCheckFindsTruncation(t *testing.T) {
	h := newSnapshotHome(t)
	h.must(os.Chmod(h.file("device.state"), 0o600))
	h.must(os.Truncate(h.file("device.state"), 3))
	out, errs := h.cli(exitFailed, "check")
	h.has(out, h.parts.Key()+" is damaged", "is 3 bytes long, and was 11")
	h.has(errs, "device.state is 3 bytes long")
}

func TestSnapshotPackAndUnpack(t *testing.T) {
	h := newSnapshotHome(t)
	out, _ := h.cli(0, "pack")
	h.has(out, h.parts.Key(), "KiB on disk, was")
	out, _ = h.cli(0, "pack", "--json")
	h.has(out, `"command": "snapshot pack"`, `"key": "`+h.parts.Key()+`"`, `"already": true`)
	if _, err := os.Stat(h.file("ram.img")); err == nil {
		t.Error("the raw data is still there")
	}
	out, _ = h.cli(0, "pack", h.parts.Key())
	h.has(out, "is packed already")
	out, _ = h.cli(0, "ls")
	h.has(out, "packed", "9.3 MiB")
	out, _ = h.cli(0, "check", "--read-data")
	h.has(out, "is well, every byte", "0 B on disk")

	copied := filepath.Join(t.TempDir(), "copy.zst") // a file that is nobody's
	data, err := os.ReadFile(h.file("ram.img.zst"))
	h.must(err)
	h.write(copied, data)
	out, _ = h.cli(0, "unpack", copied)
	h.has(out, "copy  9.0 MiB")
	_, errs := h.cli(exitFailed, "unpack", copied)
	h.has(errs, "is there already", "--force")
	h.cli(0, "unpack", "--force", copied)
	h.write(copied, data[:len(data)/2])
	_, errs = h.cli(exitFailed, "unpack", "--force", copied)
	h.has(errs, "stackemu: snapshot: unpack "+copied, "damaged")

	out, _ = h.cli(0, "unpack", h.file("ram.img.zst")) // one of the snapshot's
	h.has(out, h.parts.Key())
	if info, err := os.Stat(h.file("ram.img")); err != nil || info.Size() != snapshotRAM<<20 {
		t.Errorf("the raw data is not back: %v", err)
	}
	out, _ = h.cli(0, "unpack", h.parts.Key())
	h.has(out, "is not packed")
	out, _ = h.cli(0, "unpack", h.parts.Key(), "--json")
	h.has(out, `"command": "snapshot unpack"`, `"already": true`)
	h.cli(0, "check", "--read-data")
}

func TestSnapshotRm(t *testing.T) {
	h := newSnapshotHome(t)
	sn, err := h.store().Find(h.parts)
	h.must(err)
	_, errs := h.cli(exitFailed, "rm", "--yes", h.parts.Key())
	h.has(errs, "is in use: stop the instances")
	out, _ := h.cli(0, "pack")
	h.has(out, "is in use and stays as it is")
	_, errs = h.cli(exitFailed, "pack", h.parts.Key())
	h.has(errs, "is in use")
	out, _ = h.cli(0, "ls")
	h.has(out, "ready, in use")
	h.must(sn.Close())
	_, errs = h.cli(exitUsage, "rm", h.parts.Key())
	h.has(errs, "--yes")
	out, _ = h.cli(0, "rm", h.parts.Key()[:8], "--yes")
	h.has(out, "removed "+h.parts.Key())
	h.publish(h.parts)
	out, _ = h.cli(0, "rm", h.parts.Key()[:8], "--yes", "--json")
	h.has(out, `"command": "snapshot rm"`, `"name": "`+h.parts.Key()+`"`)
	out, _ = h.cli(exitFailed, "rm", "--yes", "--json", h.parts.Key())
	h.has(out, `"command": "snapshot rm"`, `"message": "snapshot rm: there is no snapshot`)
	_, errs = h.cli(exitFailed, "rm", "--yes", h.parts.Key())
	h.has(errs, "there is no snapshot", "stackemu snapshot ls")
}

func TestSnapshotPrune(t *testing.T) {
	h := newSnapshotHome(t)
	out, _ := h.cli(0, "prune")
	h.has(out, "there is nothing to remove")
	gone := h.parts
	gone.ImageDigest = "sha256:of another one"
	h.publish(gone)
	sn, err := h.store().Find(h.parts)
	h.must(err)
	aside, err := h.store().SetAside(sn, errors.New("no sign of life"))
	h.must(errors.Join(err, sn.Close()))
	h.publish(h.parts)
	dry, _ := h.cli(0, "prune", "--dry-run")
	h.has(dry, "would remove "+gone.Key(), "its image is gone", "would remove "+filepath.Base(aside), "no sign of life", "would remove 2")
	out, _ = h.cli(0, "prune", "--dry-run", "--json")
	h.has(out, `"dryRun": true`, `"name": "`+gone.Key()+`"`, `"held": []`)
	if out, _ = h.cli(0, "prune"); out != strings.ReplaceAll(dry, "would remove", "removed") {
		t.Errorf("got\n%s after\n%s", out, dry)
	}
	out, _ = h.cli(0, "ls")
	h.has(out, h.parts.Key())
	if strings.Contains(out, gone.Key()) || strings.Contains(out, "broken") {
		t.Errorf("left is\n%s", out)
	}
}

func TestSnapshotUsage(t *testing.T) {
	h := newSnapshotHome(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"show"}, `there is no command "snapshot show"`},
		{[]string{"prun"}, `there is no command "snapshot prun", did you mean "prune"?; see stackemu snapshot --help`},
		{[]string{"ls", "x"}, "takes no argument"},
		{[]string{"prune", "x"}, "takes no argument"},
		{[]string{"check", "a", "b"}, "one key at most"},
		{[]string{"check", "--loud"}, "flag provided but not defined"},
		{[]string{"unpack"}, "takes one file or key"},
		{[]string{"unpack", h.image()}, "--output"},
		{[]string{"rm"}, "which ones?"},
		{[]string{"check", "beef", "--loud"}, "flag provided but not defined"},
	} {
		_, errs := h.cli(exitUsage, test.args...)
		h.has(errs, test.want)
	}
	for _, args := range [][]string{{"check", "beef0000"}, {"pack", "no"}, {"unpack", "beef0000"}, {"unpack", "./none.zst"}} {
		_, errs := h.cli(exitFailed, args...)
		h.has(errs, "stackemu: ")
	}
	for _, name := range []string{"ls", "check", "pack", "unpack", "rm", "prune"} {
		out, _ := h.cli(0, name, "--help")
		h.has(out, "Example: stackemu snapshot "+name)
	}
	out, _ := h.cli(0)
	h.has(out, "look after the snapshots")
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 150 << 20: "150 MiB", 4 << 30: "4.0 GiB", 1 << 50: "1024 TiB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d: got %s, want %s", bytes, got, want)
		}
	}
	if got := progressText(1<<30, 4<<30, 2*time.Second); got != " 25 % of 4.0 GiB, 512 MiB/s" {
		t.Errorf("got %q", got)
	}
}
