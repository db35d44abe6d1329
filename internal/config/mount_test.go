package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseMount(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link, file := filepath.Join(dir, "link"), filepath.Join(dir, "file")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Mount{
		dir: {Dir: dir}, dir + ":ro": {Dir: dir, ReadOnly: true}, dir + ":rw": {Dir: dir}, link + ":ro": {Dir: dir, ReadOnly: true},
	} {
		if got, err := ParseMount(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":ro", file, dir + "/none", dir + ":x"} {
		if got, err := ParseMount(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
