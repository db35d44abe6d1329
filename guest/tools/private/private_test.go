package private

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	for name, old := range map[string]os.FileMode{"new": 0, "wide": 0o666, "tight": 0o400} {
		path := filepath.Join(dir, name)
		if old != 0 {
			if err := os.WriteFile(path, []byte("old"), old); err != nil {
				t.Fatal(err)
			}
		}
		if err := Write(path, []byte("new")); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != "new" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestWriteIntoNowhere(t *testing.T) {
	if err := Write(filepath.Join(t.TempDir(), "no", "file"), nil); err == nil {
		t.Error("no error")
	}
}
