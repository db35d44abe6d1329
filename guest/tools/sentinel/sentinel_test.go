package sentinel

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	vars := map[string]string{"KEY": "k1", "KEY_LONG": "k2", "EMPTY": "", "DOLLAR": "$1${KEY}"}
	tests := []struct{ text, want string }{
		{"", ""},
		{`a="STACK_ENV_VAR_SENTINEL_KEY";`, `a="k1";`},
		{"STACK_ENV_VAR_SENTINEL_KEY_LONG/STACK_ENV_VAR_SENTINEL_KEY", "k2/k1"},
		{"STACK_ENV_VAR_SENTINEL_KEYSTACK_ENV_VAR_SENTINEL_KEY", "STACK_ENV_VAR_SENTINEL_KEYSTACK_ENV_VAR_SENTINEL_KEY"},
		{"STACK_ENV_VAR_SENTINEL_UNSET stays", "STACK_ENV_VAR_SENTINEL_UNSET stays"},
		{"[STACK_ENV_VAR_SENTINEL_EMPTY]", "[]"},
		{"STACK_ENV_VAR_SENTINEL_DOLLAR", "$1${KEY}"},
		{"STACK_ENV_VAR_SENTINEL_ and STACK_ENV_VAR_SENTINEL_key", "STACK_ENV_VAR_SENTINEL_ and STACK_ENV_VAR_SENTINEL_key"},
		{"\xff\x00STACK_ENV_VAR_SENTINEL_KEY\xfe", "\xff\x00k1\xfe"},
	}
	for _, test := range tests {
		if got := string(Replace([]byte(test.text), vars, func(string) {})); got != test.want {
			t.Errorf("Replace(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func TestRender(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	if err := os.MkdirAll(filepath.Join(source, "chunks"), 0o755); err != nil {
		t.Fatal(err)
	}
	const built = "key = 'STACK_ENV_VAR_SENTINEL_KEY'"
	if err := os.WriteFile(filepath.Join(source, "chunks/app.js"), []byte(built), 0o644); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name, key string
		stray     bool // put a file into the target first
		changed   bool
	}{
		{"first", "one", false, true},
		{"same again", "one", false, false},
		{"another key", "two", true, true},
		{"and back", "one", false, true},
	}
	for _, step := range steps {
		stray := filepath.Join(target, "stray")
		if step.stray {
			if err := os.WriteFile(stray, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		changed, err := Render(source, target, map[string]string{"KEY": step.key})
		if err != nil || changed != step.changed {
			t.Errorf("%s: Render = %v, %v, want %v", step.name, changed, err, step.changed)
		}
		text, err := os.ReadFile(filepath.Join(target, "chunks/app.js"))
		if want := "key = '" + step.key + "'"; err != nil || string(text) != want {
			t.Errorf("%s: app.js = %q, %v, want %q", step.name, text, err, want)
		}
		if _, err := os.Stat(stray); !os.IsNotExist(err) {
			t.Errorf("%s: the old tree shows through: %v", step.name, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(source, "chunks/app.js")); err != nil || string(text) != built {
		t.Errorf("the build was changed: %q, %v", text, err)
	}
}

func TestRenderAfterAnUpdateOfTheBuild(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	file := filepath.Join(source, "app.js")
	for _, text := range []string{"version 1", "version 1.1"} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if changed, err := Render(source, target, nil); err != nil || !changed {
			t.Errorf("%s: Render = %v, %v", text, changed, err)
		}
	}
	if _, err := Render(filepath.Join(source, "absent"), target, nil); err == nil {
		t.Error("no error for a build that is not there")
	}
}

// What a tree of Node has besides plain files comes along.
func TestRenderKeepsLinksAndModes(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	if err := errors.Join(os.WriteFile(filepath.Join(source, "run"), []byte("#!/bin/sh"), 0o755), os.Symlink("run", filepath.Join(source, "link"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Render(source, target, nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(target, "run")); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	if link, err := os.Readlink(filepath.Join(target, "link")); err != nil || link != "run" {
		t.Errorf("%q, %v", link, err)
	}
}

// A variable that is set later counts, though it was not there when the tree was filled.
func TestRenderWhenAVariableIsSet(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	if err := os.WriteFile(filepath.Join(source, "app.js"), []byte("STACK_ENV_VAR_SENTINEL_LATER"), 0o644); err != nil {
		t.Fatal(err)
	}
	for n, vars := range []map[string]string{nil, {"OTHER": "x"}, {"LATER": ""}, {"LATER": "", "OTHER": "y"}} {
		changed, err := Render(source, target, vars)
		if want := n == 0 || n == 2; err != nil || changed != want {
			t.Errorf("%v: Render = %v, %v", vars, changed, err)
		}
	}
}
