package bench

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

func TestUnpack(t *testing.T) {
	f := newFolder(t)
	raw := filepath.Join(f.root, "raw")
	if err := os.WriteFile(raw, bytes.Repeat([]byte("RAM"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f.packed = filepath.Join(f.root, "packed")
	if err := pack.Pack(t.Context(), f.packed, raw, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nothing of the first is in the way of the second
		if took, err := f.unpack(t.Context(), setup{}); err != nil || took <= 0 {
			t.Errorf("%v, %v", took, err)
		}
		took, err := f.zstd(t.Context(), setup{})
		var skipped *skip
		if !errors.As(err, &skipped) && (err != nil || took <= 0) {
			t.Errorf("%v, %v", took, err)
		}
	}
	if err := os.WriteFile(f.packed, []byte("not zstd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if took, err := f.unpack(t.Context(), setup{}); err == nil {
		t.Errorf("unpacked nonsense in %v", took)
	}
	if _, err := os.Stat(filepath.Join(f.root, "unpacked")); err == nil {
		t.Error("what was unpacked is left")
	}
}

func TestWithoutZstd(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var skipped *skip
	if _, err := newFolder(t).zstd(t.Context(), setup{}); !errors.As(err, &skipped) {
		t.Error(err)
	}
}
