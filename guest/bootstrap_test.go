package guest

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestPreseedHook(t *testing.T) {
	root := filepath.Join(t.TempDir(), "with space")
	text := "create = false # it's \"$HOME\" `x` %s\n"
	runHook(t, preseedHook("etc/a b/it's.conf", text), root)
	got, err := os.ReadFile(filepath.Join(root, "etc/a b/it's.conf"))
	if err != nil || string(got) != text {
		t.Errorf("%q, %v; want %q", got, err, text)
	}
}

// TestPruneModulesHook runs the hook with a chroot that does nothing: an ordinary user cannot change its root.
func TestPruneModulesHook(t *testing.T) {
	root, bin := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "chroot"), []byte("#!/bin/sh\necho \"$@\" >\"$1\"/called\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	modules := filepath.Join(root, "usr/lib/modules/6.1-x")
	for _, name := range []string{"fs/9p/9p.ko.xz", "drivers/net/veth.ko.xz", "drivers/net/vethx.ko.xz", "sound/a.ko"} {
		path := filepath.Join(modules, "kernel", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	runHook(t, pruneModulesHook([]string{"fs/9p/", "drivers/net/veth"}), root)
	var left []string
	err := fs.WalkDir(os.DirFS(modules), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, p)
		}
		return err
	})
	if want := []string{"kernel/drivers/net/veth.ko.xz", "kernel/fs/9p/9p.ko.xz"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left: %q, %v; want %q", left, err, want)
	}
	if called, err := os.ReadFile(filepath.Join(root, "called")); err != nil || string(called) != root+" depmod 6.1-x\n" {
		t.Errorf("chroot %q, %v", called, err)
	}
}

// runHook runs a hook as mmdebstrap does: the root is $1.
func runHook(t *testing.T, hook, root string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", hook, "exec", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
