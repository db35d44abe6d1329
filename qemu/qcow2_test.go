package qemu_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// patch returns an image with 8 bytes changed.
func patch(image []byte, offset int, value uint64) []byte {
	image = bytes.Clone(image)
	binary.BigEndian.PutUint64(image[offset:], value)
	return image
}

func TestCheckImage(t *testing.T) {
	const features = 72
	plain := qemutest.Qcow2("")
	for name, c := range map[string]struct {
		image   []byte
		backing []string
		want    string // "" is accepted
	}{
		"plain":              {image: plain},
		"zstd":               {image: patch(plain, features, 1<<3)},
		"not closed":         {image: patch(plain, features, 1)},
		"version 2":          {image: patch(plain, 0, 0x514649fb_00000002)},
		"backing file":       {image: qemutest.Qcow2("/etc/shadow"), want: `it has a backing file, "/etc/shadow"`},
		"allowed backing":    {image: qemutest.Qcow2("base.qcow2"), backing: []string{"base.qcow2"}},
		"other backing":      {image: qemutest.Qcow2("json:{}"), backing: []string{"base.qcow2"}, want: "it has a backing file"},
		"data file":          {image: patch(plain, features, 1<<2), want: "its data is in another file"},
		"damaged":            {image: patch(plain, features, 1<<1), want: "marked it as damaged"},
		"encrypted":          {image: patch(plain, 32, 1<<32), want: "it is encrypted"},
		"unknown feature":    {image: patch(plain, features, 1<<40), want: "unknown feature 40"},
		"version 9":          {image: patch(plain, 0, 0x514649fb_00000009), want: "version 9"},
		"raw":                {image: make([]byte, 4096), want: "not a qcow2 image"},
		"empty":              {image: nil, want: "not a qcow2 image"},
		"cut":                {image: plain[:90], want: "unexpected EOF"},
		"cut name":           {image: qemutest.Qcow2("base.qcow2")[:108], want: "backing file name: "},
		"name out of bounds": {image: patch(qemutest.Qcow2("x"), 8, 1<<40), want: "backing file name of 1 bytes"},
		"huge":               {image: patch(plain, 24, 64<<40+1), want: "qcow2 of 70368744177665 bytes"},
		"of negative size":   {image: patch(plain, 24, 1<<63), want: "qcow2 of 9223372036854775808 bytes"},
		"clusters":           {image: patch(plain, 20, 60<<32), want: "clusters of 2^60"},
	} {
		path := filepath.Join(t.TempDir(), "image.qcow2")
		if err := os.WriteFile(path, c.image, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := qemu.CheckImage(path, c.backing...)
		if c.want == "" {
			if err != nil || h.VirtualSize != 1<<30 || h.ClusterSize != 64<<10 {
				t.Errorf("%s: got %+v, %v", name, h, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: want %q, got %v", name, c.want, err)
		}
	}
	if h, err := qemu.ReadHeader(bytes.NewReader(patch(plain, 24, 64<<40))); err != nil || h.VirtualSize != 64<<40 {
		t.Errorf("the largest: got %+v, %v", h, err)
	}
	if _, err := qemu.CheckImage(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// FuzzReadHeader feeds files to the header check: it must not fall over, and what it accepts must be within the format.
func FuzzReadHeader(f *testing.F) {
	f.Add(qemutest.Qcow2(""))
	f.Add(qemutest.Qcow2("base.qcow2"))
	f.Add(patch(qemutest.Qcow2(""), 0, 0x514649fb_00000002))
	f.Add([]byte("QFI\xfb"))
	f.Fuzz(func(t *testing.T, image []byte) {
		h, err := qemu.ReadHeader(bytes.NewReader(image))
		if err != nil {
			if h.BackingFile != "" {
				t.Error("a name in spite of an error")
			}
			return
		}
		if h.VirtualSize < 0 || h.VirtualSize > 64<<40 || h.ClusterSize < 512 || len(h.BackingFile) > 1023 || h.Snapshots < 0 {
			t.Errorf("got %+v", h)
		}
		if h.BackingFile != "" && !bytes.Contains(image, []byte(h.BackingFile)) {
			t.Errorf("the name %q comes from nowhere", h.BackingFile)
		}
	})
}
