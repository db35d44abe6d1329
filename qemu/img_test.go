package qemu_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// The second overlay of a size is a copy of the first, to the byte, and made without qemu-img. A damaged copy is made anew.
func TestRealOverlayFromCache(t *testing.T) {
	qemutest.Real(t)
	dir := t.TempDir()
	cache := filepath.Join(dir, "cache")
	b, err := qemu.FindCached(within(t, patience), qemu.HostArch(), cache)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, "base.qcow2")
	if err := os.WriteFile(base, qemutest.Qcow2(""), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay := func(name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := b.CreateOverlay(within(t, patience), base, path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first, intact := overlay("1.qcow2"), b.Img
	b.Img = ruined(t, intact, func(img string) { b.Img = img; overlay("0.qcow2") })
	if second := overlay("2.qcow2"); second != first {
		t.Error("the copy is another")
	}
	b.Img = intact
	if info, err := b.Info(within(t, patience), filepath.Join(dir, "2.qcow2")); err != nil || info.BackingFile != "base.qcow2" {
		t.Errorf("got %+v, %v", info, err)
	}
	if overlay("3.qcow2") != first {
		t.Error("another one by the same program")
	}
	kept := filepath.Join(cache, "overlay-base.qcow2.json")
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(text); at += 397 { // one bit at a time
		text[at] ^= 1
		if err := os.WriteFile(kept, text, 0o600); err != nil {
			t.Fatal(err)
		}
		text[at] ^= 1
		if overlay("4.qcow2") != first {
			t.Fatalf("byte %d: a damaged overlay is used", at)
		}
	}
	if out, err := exec.Command(intact, "create", "-f", "qcow2", base, "2G").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if overlay("5.qcow2") == first {
		t.Error("an overlay of another size is used")
	}
}

// ruined is a program that does not run, but is by its file the one that use has had.
func ruined(t *testing.T, program string, use func(path string)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(program))
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(path, data, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	use(path)
	clear(data[4:])
	if err := errors.Join(os.WriteFile(path, data, 0o700), os.Chtimes(path, time.Time{}, info.ModTime())); err != nil {
		t.Fatal(err)
	}
	return path
}

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
