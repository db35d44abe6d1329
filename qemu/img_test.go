package qemu_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// testImages checks everything that qemu-img is used for.
func testImages(t *testing.T, b *qemu.Binary) {
	dir := t.TempDir()
	base := filepath.Join(dir, "odd:base,1.qcow2")
	if err := os.WriteFile(base, qemutest.Qcow2(""), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	for overlay, want := range map[string]string{
		filepath.Join(dir, "disk.qcow2"):   "./odd:base,1.qcow2", // relative, and not the protocol "odd"
		filepath.Join(other, "disk.qcow2"): base,
	} {
		for range 2 { // the second one takes the place of the first
			if err := b.CreateOverlay(within(t, patience), base, overlay); err != nil {
				t.Fatal(err)
			}
		}
		h, err := qemu.CheckImage(overlay, want)
		if err != nil || h.BackingFile != want || h.VirtualSize != 1<<30 {
			t.Errorf("got %+v, %v", h, err)
		}
		if info, err := os.Stat(overlay); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v", info.Mode(), err)
		}
		info, err := b.Info(within(t, patience), overlay)
		if err != nil || info.Format != "qcow2" || info.VirtualSize != 1<<30 || info.BackingFile != want {
			t.Errorf("got %+v, %v", info, err)
		}
	}
	if err := b.CreateOverlay(within(t, patience), base, filepath.Join(dir, "no", "dir")); err == nil {
		t.Error("an overlay in no directory")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestFakeImages(t *testing.T) { testImages(t, qemutest.Binary(t, qemutest.Script{})) }
func TestRealImages(t *testing.T) { testImages(t, qemutest.Real(t)) }

func TestRealConvert(t *testing.T) {
	b := qemutest.Real(t)
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src.raw"), filepath.Join(dir, "dst.qcow2")
	if err := os.WriteFile(src, []byte(strings.Repeat("data", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.ConvertCompressed(within(t, patience), src, dst); err != nil {
		t.Fatal(err)
	}
	h, err := qemu.CheckImage(dst)
	if err != nil || h.VirtualSize != 4<<20 || h.BackingFile != "" {
		t.Errorf("got %+v, %v", h, err)
	}
	if info, err := os.Stat(dst); err != nil || info.Size() > 1<<20 {
		t.Errorf("not compressed: %d bytes, %v", info.Size(), err)
	}
	err = b.ConvertCompressed(within(t, patience), filepath.Join(dir, "none"), dst)
	if err == nil || !strings.Contains(err.Error(), "none") || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("got %v", err)
	}
	if _, err := qemu.CheckImage(dst); err != nil {
		t.Errorf("a failure has harmed what was there: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
