package sentinel

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
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

// files is a tree in which every file has a text.
type files map[string]string

func (f files) write(t *testing.T, root string) {
	t.Helper()
	for name, text := range f {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// check compares the files below root that f names.
func (f files) check(t *testing.T, root string) {
	t.Helper()
	for name, want := range f {
		if text, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(text) != want {
			t.Errorf("%s = %q, %v, want %q", name, text, err, want)
		}
	}
}

// mustRender renders with a KEY, which must be news or not.
func mustRender(t *testing.T, source, target, key string, news bool) {
	t.Helper()
	if changed, err := Render(source, target, map[string]string{"KEY": key}); err != nil || changed != news {
		t.Errorf("KEY=%s: Render = %v, %v, want %v", key, changed, err, news)
	}
}

func info(t *testing.T, path string) os.FileInfo {
	t.Helper()
	found, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

const built = "key = 'STACK_ENV_VAR_SENTINEL_KEY'"

// The copy follows the values, the build stays as it is, and so does what the target has besides.
func TestRender(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	files{"chunks/app.js": built, "server.js": "plain"}.write(t, source)
	for n, step := range []struct {
		key  string
		news bool
	}{{"one", true}, {"one", false}, {"two", true}, {"one", true}} {
		mustRender(t, source, target, step.key, step.news)
		files{"chunks/app.js": "key = '" + step.key + "'", "server.js": "plain"}.check(t, target)
		if n == 0 {
			files{"node.blob": "theirs", "chunks/cache": "theirs"}.write(t, target)
		}
	}
	files{"node.blob": "theirs", "chunks/cache": "theirs"}.check(t, target)
	files{"chunks/app.js": built}.check(t, source)
}

// Other values are a matter of the files that have sentinels: of 300 MB, say, of a few.
func TestRenderOfOtherValuesWritesFilesWithSentinels(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	files{"app.js": built, "server.js": "plain"}.write(t, source)
	mustRender(t, source, target, "one", true)
	files{"server.js": "would be overwritten"}.write(t, target)
	mustRender(t, source, target, "two", true)
	files{"app.js": "key = 'two'", "server.js": "would be overwritten"}.check(t, target)
}

// A run that was interrupted, or a marker that is damaged, costs a whole new copy.
func TestRenderAfterAnInterruption(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	files{"app.js": built, "server.js": "plain"}.write(t, source)
	for _, marker := range []string{"{}", "", "x"} {
		files{"app.js": "key = 'o", "server.js": "pl", Marker: marker}.write(t, target)
		mustRender(t, source, target, "one", true)
		files{"app.js": "key = 'one'", "server.js": "plain"}.check(t, target)
	}
	// One of other values that failed, after which the old ones are back.
	app := filepath.Join(target, "app.js")
	if err := os.Remove(app); err != nil {
		t.Fatal(err)
	}
	files{"app.js/in/the/way": "theirs"}.write(t, target)
	if _, err := Render(source, target, map[string]string{"KEY": "two"}); err == nil {
		t.Fatal("no error for a directory in the way of a file")
	}
	files{"app.js/in/the/way": "theirs"}.check(t, target)
	if err := os.RemoveAll(app); err != nil {
		t.Fatal(err)
	}
	mustRender(t, source, target, "one", true)
	files{"app.js": "key = 'one'"}.check(t, target)
}

// Packages are found through a link, from wherever a program of the copy is.
func TestRenderLinksPackages(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	files{"node_modules/pg/index.js": built, "backend/node_modules/x.js": "x", "backend/server.js": built}.write(t, source)
	for _, key := range []string{"one", "two"} {
		mustRender(t, source, target, key, true)
		files{"node_modules/pg/index.js": built, "backend/server.js": "key = '" + key + "'"}.check(t, target)
		for _, dir := range []string{"node_modules", "backend/node_modules"} {
			if link, err := os.Readlink(filepath.Join(target, dir)); err != nil || link != filepath.Join(source, dir) {
				t.Errorf("%s leads to %q, %v", dir, link, err)
			}
		}
	}
}

// A target in the build itself is no part of the build.
func TestRenderIntoTheBuild(t *testing.T) {
	source := t.TempDir()
	target := filepath.Join(source, "work")
	files{"app.js": built}.write(t, source)
	for n := range 2 {
		mustRender(t, source, target, "one", n == 0)
	}
	files{"app.js": "key = 'one'"}.check(t, target)
	if _, err := os.Stat(filepath.Join(target, "work")); err == nil {
		t.Error("the copy has itself in it")
	}
}

// In place, too, every value is that of its variable, at any time, and nothing is lost.
func TestRenderInPlace(t *testing.T) {
	root := t.TempDir()
	link := filepath.Join(t.TempDir(), "app")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	files{"chunks/app.js": built, "server.js": "plain", "node_modules/x.js": built}.write(t, root)
	if err := os.Chmod(filepath.Join(root, "chunks/app.js"), 0o666); err != nil {
		t.Fatal(err)
	}
	server := info(t, filepath.Join(root, "server.js"))
	for _, step := range []struct {
		target, key string
		news        bool
	}{{root, "one", true}, {root, "one", false}, {link, "two", true}, {root + "/", "two", false}, {root, "one", true}} {
		mustRender(t, root, step.target, step.key, step.news)
		files{"chunks/app.js": "key = '" + step.key + "'", "server.js": "plain", "node_modules/x.js": built}.check(t, root)
	}
	mustRender(t, link, root, "three", true)
	files{"chunks/app.js": "key = 'three'"}.check(t, root)
	if now := info(t, filepath.Join(root, "server.js")); !os.SameFile(server, now) || !server.ModTime().Equal(now.ModTime()) {
		t.Error("a file without sentinels was written")
	}
	if mode := info(t, filepath.Join(root, "chunks/app.js")).Mode(); mode != 0o666 {
		t.Errorf("mode %v", mode)
	}
}

// A filling in place that was interrupted goes on from the originals, wherever it was.
func TestRenderInPlaceAfterAnInterruption(t *testing.T) {
	root := t.TempDir()
	files{"a.js": built, "b.js": built}.write(t, root)
	files{"a.js": "of a run that did not get to fill anything"}.write(t, filepath.Join(root, Originals))
	mustRender(t, root, root, "one", true)
	files{"a.js": "key = 'one'", "b.js": "key = 'one'"}.check(t, root)
	files{Marker: "{}", "a.js": "key = 'tw"}.write(t, root)
	if err := os.Remove(filepath.Join(root, "b.js")); err != nil {
		t.Fatal(err)
	}
	mustRender(t, root, root, "two", true)
	files{"a.js": "key = 'two'", "b.js": "key = 'two'"}.check(t, root)
}

// Where the marker is removed, the files are those of another build, and are not lost to the old one.
func TestRenderOfAnotherBuildInPlace(t *testing.T) {
	root := t.TempDir()
	files{"app.js": built}.write(t, root)
	mustRender(t, root, root, "one", true)
	if err := os.Remove(filepath.Join(root, Marker)); err != nil {
		t.Fatal(err)
	}
	files{"app.js": "new " + built}.write(t, root)
	for _, key := range []string{"one", "two"} {
		mustRender(t, root, root, key, true)
		files{"app.js": "new key = '" + key + "'"}.check(t, root)
	}
}

// A tree that bears a marker and no originals was filled by somebody else, for good.
func TestRenderOfATreeThatWasFilledElsewhere(t *testing.T) {
	root := t.TempDir()
	files{"app.js": built, Marker: ""}.write(t, root)
	for n := range 2 {
		mustRender(t, root, root, "one", n == 0)
		files{"app.js": built}.check(t, root)
	}
}

// Who may read the build may read what was made of it.
func TestRenderKeepsTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "work")
	files{"app.js": built}.write(t, source)
	app := filepath.Join(source, "app.js")
	if err := errors.Join(os.Chown(app, 7, 8), os.Chmod(app, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{target, source} {
		mustRender(t, source, dir, "one", true)
		filled := info(t, filepath.Join(dir, "app.js"))
		if owner := filled.Sys().(*syscall.Stat_t); owner.Uid != 7 || owner.Gid != 8 || filled.Mode() != 0o600 {
			t.Errorf("owner %d:%d, mode %v", owner.Uid, owner.Gid, filled.Mode())
		}
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
	run, link := filepath.Join(source, "run"), filepath.Join(source, "link")
	if err := errors.Join(os.WriteFile(run, []byte("#!/bin/sh"), 0o755), os.Symlink("run", link)); err != nil {
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
