package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/config"
)

func mount(texts ...string) (config.Config, error) {
	c, err := config.Load(config.Sources{Lookup: lookup(nil), Flags: map[string][]string{"--mount": texts}})
	if err != nil {
		return c, err
	}
	return c.FindMounts()
}

func TestMounts(t *testing.T) {
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
	for text, want := range map[string]config.Mount{
		dir: {Dir: dir}, dir + ":ro": {Dir: dir, ReadOnly: true}, dir + ":rw": {Dir: dir}, link + ":ro": {Dir: dir, ReadOnly: true},
	} {
		if got, err := mount(text); err != nil || !reflect.DeepEqual(got.Mounts, []config.Mount{want}) {
			t.Errorf("%s: %+v, %v", text, got.Mounts, err)
		}
	}
	for _, text := range []string{"", ":ro", file, dir + "/none", dir + ":x"} {
		if got, err := mount(text); err == nil {
			t.Errorf("%q: %+v", text, got.Mounts)
		}
	}
	if _, err := mount("/", "/", "/", "/"); err == nil || !strings.Contains(err.Error(), "4 directories") {
		t.Errorf("four mounts: %v", err)
	}
}

// What is mounted because of a project's file is in the project, also where a symbolic link leads out of it.
func TestMountsOfAProject(t *testing.T) {
	dir := t.TempDir()
	project, other := filepath.Join(dir, "project"), filepath.Join(dir, "other")
	for _, d := range []string{filepath.Join(project, "src"), other} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(other, filepath.Join(project, "link")); err != nil {
		t.Fatal(err)
	}
	find := func(text string) (config.Config, error) {
		if err := os.WriteFile(filepath.Join(project, "stackemu.yaml"), []byte("mounts: ["+text+"]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Sources{Lookup: lookup(nil), Dir: filepath.Join(project, "src")})
		if err != nil {
			return c, err
		}
		return c.FindMounts()
	}
	for text, want := range map[string]config.Mount{".": {Dir: project}, "src:ro": {Dir: filepath.Join(project, "src"), ReadOnly: true}} {
		want.Dir, _ = filepath.EvalSymlinks(want.Dir)
		c, err := find(text)
		if err != nil || len(c.Mounts) != 1 || c.Mounts[0].String() != want.String() {
			t.Errorf("%s: %v, %v", text, c.Mounts, err)
		}
	}
	for text, want := range map[string]string{
		"..": "a folder in", "../other": "a folder in", "/": "a folder in", "~/x": "a folder in", "src/../..": "a folder in",
		"link": "out of", "none": "no such file",
	} {
		if c, err := find(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", text, c.Mounts, err)
		}
	}
}
