package container

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stackemu/stackemu/guest/tools/envfile"
)

// layout makes the places of a guest in a directory, with files in the container's root.
func layout(t *testing.T, files map[string]string) Layout {
	t.Helper()
	dir := t.TempDir()
	l := Layout{Bundle: dir + "/bundle", Image: dir + "/image.json", Volumes: dir + "/volumes", RunDir: dir + "/run",
		HostDir: dir + "/host", State: dir + "/crun", EnvFile: dir + "/run/stack.env"}
	for path, text := range files {
		path = filepath.Join(l.Bundle, "rootfs", path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l Layout) write(t *testing.T, user string) {
	t.Helper()
	withUser := image
	withUser.Config.User = user
	data, err := json.Marshal(withUser)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.Image, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPrepare(t *testing.T) {
	l := layout(t, map[string]string{"var/lib/db/seed/one": "1", "etc/passwd": "root:x:0:0::/:\napp:x:12:34::/:\n"})
	if err := os.Symlink("one", filepath.Join(l.Bundle, "rootfs/var/lib/db/seed/link")); err != nil {
		t.Fatal(err)
	}
	l.write(t, "app")
	if err := os.MkdirAll(l.RunDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := (envfile.Vars{"KEY": "secret"}).Write(l.EnvFile); err != nil {
		t.Fatal(err)
	}
	if err := l.prepare(); err != nil {
		t.Fatal(err)
	}

	config := filepath.Join(l.Bundle, "config.json")
	info, err := os.Stat(config)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("config.json: %v, %v, want mode 0600: it holds secrets", info, err)
	}
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		t.Fatal(err)
	}
	if spec.Process.User.UID != 12 || spec.Process.User.GID != 34 {
		t.Errorf("user = %+v, want 12:34", spec.Process.User)
	}

	volume := filepath.Join(l.Volumes, "var%2Flib%2Fdb")
	copied, err := os.Stat(filepath.Join(volume, "seed/one"))
	if err != nil || copied.Mode().Perm() != 0o640 {
		t.Errorf("content of the image's volume: %v, %v", copied, err)
	}
	if link, err := os.Readlink(filepath.Join(volume, "seed/link")); err != nil || link != "one" {
		t.Errorf("link in the volume: %q, %v", link, err)
	}
	if info, err := os.Stat(filepath.Join(l.Volumes, "data")); err != nil || info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("a volume that the image has nothing for: %v, %v", info, err)
	}
}

func TestPrepareKeepsVolumes(t *testing.T) {
	l := layout(t, map[string]string{"var/lib/db/seed": "from the image"})
	l.write(t, "")
	if err := l.prepare(); err != nil {
		t.Fatal(err)
	}
	seed := filepath.Join(l.Volumes, "var%2Flib%2Fdb/seed")
	if err := os.WriteFile(seed, []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	// What an interrupted first use has left must not get in the way.
	if err := os.MkdirAll(filepath.Join(l.Volumes, "data.new/rest"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(l.Volumes, "data")); err != nil {
		t.Fatal(err)
	}
	if err := l.prepare(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(seed); err != nil || string(data) != "changed" {
		t.Errorf("the volume now has %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(l.Volumes, "data/rest")); !os.IsNotExist(err) {
		t.Errorf("half a copy became a volume: %v", err)
	}
}

func TestLookUpUser(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"passwd": "root:x:0:0::/:\nweb:x:33:34::/:\n", "group": "root:x:0:\nstaff:x:50:web\n"} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name     string
		uid, gid uint32
		fails    bool
	}{
		{"", 0, 0, false}, {"root", 0, 0, false}, {"web", 33, 34, false}, {"33", 33, 34, false}, {"web:staff", 33, 50, false},
		{"web:7", 33, 7, false}, {"1000", 1000, 0, false}, {"1000:1001", 1000, 1001, false}, {"0:0", 0, 0, false},
		{"nobody", 0, 0, true}, {"web:nogroup", 0, 0, true}, {"-1", 0, 0, true}, {"4294967296", 0, 0, true},
	}
	for _, test := range tests {
		user, err := lookUpUser(root, test.name)
		if (err != nil) != test.fails || err == nil && (user.UID != test.uid || user.GID != test.gid) {
			t.Errorf("lookUpUser(%q) = %d:%d, %v", test.name, user.UID, user.GID, err)
		}
	}
}

func TestUserFilesAreThoseOfTheRoot(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "etc/passwd")); err != nil {
		t.Fatal(err)
	}
	if _, err := lookUpUser(root, "root"); err == nil {
		t.Error("the user was looked up outside the root")
	}
}
