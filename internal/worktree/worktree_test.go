package worktree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/home"
)

func TestNameOf(t *testing.T) {
	for path, want := range map[string]string{
		"/src/app":                           "app-",
		"/src/My App (2)":                    "my-app-2-",
		"/src/--x--":                         "x-",
		"/src/" + strings.Repeat("long", 20): "longlonglonglonglonglong" + "l-",
		"/src/é":                             "",
		"/":                                  "",
	} {
		name := nameOf(path)
		if err := home.CheckName(name); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if base := name[:len(name)-hashChars]; base != want {
			t.Errorf("%s: got %s, want %s…", path, name, want)
		}
	}
	if nameOf("/a/app") == nameOf("/b/app") {
		t.Error("two checkouts of one name are one instance")
	}
}

func TestName(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "shop", "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	outside, err := Name(deep)
	if err != nil || !strings.HasPrefix(outside, "b-") {
		t.Errorf("without git: %s, %v", outside, err)
	}
	// A linked worktree has a file in the place of the folder.
	if err := os.WriteFile(filepath.Join(dir, "shop", ".git"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(deep, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, from := range []string{deep, filepath.Join(dir, "shop"), filepath.Join(dir, "link")} {
		name, err := Name(from)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if !strings.HasPrefix(names[0], "shop-") || names[1] != names[0] || names[2] != names[0] {
		t.Errorf("got %q", names)
	}
	if _, err := Name(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a folder that is not there has a name")
	}
}

func FuzzNameOf(f *testing.F) {
	f.Add("/src/app")
	f.Add("/src/vm")
	f.Add("")
	f.Fuzz(func(t *testing.T, path string) {
		if err := home.CheckName(nameOf(path)); err != nil {
			t.Error(err)
		}
	})
}
