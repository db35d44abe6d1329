package owner

import (
	"os"
	"path/filepath"
	"testing"
)

// Becoming another user cannot be undone, so the tests stay who they are; the image's own programs do it in every end-to-end test.
func TestBecomeNobodyElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Become("", dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Become("", filepath.Join(dir, "file", "c")); err == nil {
		t.Error("no error for a directory that cannot be made")
	}
}

func TestBecomeAStranger(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody")
	}
	if err := Become("no-such-user", t.TempDir()); err == nil {
		t.Error("no error for a user that is not there")
	}
}
