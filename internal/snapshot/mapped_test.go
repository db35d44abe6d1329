package snapshot_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// A mapped-ram snapshot is published with its packed form, from which the cache comes back when somebody has removed it.
func TestMappedRAMKeepsItsPackedForm(t *testing.T) {
	root := t.TempDir()
	s := snapshot.Open(root)
	publish(t, s, mapped)
	files := snapshot.FilesUnder(root, mapped.Key())
	want, err := os.ReadFile(files.Savevm)
	check(t, errors.Join(err, os.Remove(files.Savevm)))
	sn := find(t, s, mapped)
	got, err := os.ReadFile(sn.Files().Savevm)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the cache is another one, %v", err)
	}
	if filepath.Base(sn.Files().Packed) != "savevm.zst" || size(t, sn.Files().Packed) == 0 {
		t.Errorf("packed is %s", sn.Files().Packed)
	}
}

// A lazy snapshot is packed on demand only.
func TestLazyIsNotPackedByItself(t *testing.T) {
	s := snapshot.Open(t.TempDir())
	publish(t, s, parts)
	if _, err := os.Stat(find(t, s, parts).Files().Packed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
