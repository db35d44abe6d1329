package guest

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

func TestUserData(t *testing.T) {
	data, err := renderUserData([]string{"cloud-init", "python3"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(data), "#cloud-config\n") || strings.Contains(string(data), "@") {
		t.Errorf("not filled in:\n%s", data)
	}
	script := provisionScript(t, data)
	if !strings.Contains(script, "for package in cloud-init python3; do") || strings.Contains(script, "@") {
		t.Errorf("not filled in:\n%s", script)
	}
	if out, err := exec.Command("sh", "-n", "-c", script).CombinedOutput(); err != nil {
		t.Errorf("not a script: %v: %s", err, out)
	}
	for _, marker := range []string{doneMarker, failedMarker, progressMarker} {
		if !strings.Contains(script, marker) {
			t.Errorf("the script never prints %s", marker)
		}
	}
}

// TestForgetPackages runs the part of the script that removes packages on a root that was made up.
func TestForgetPackages(t *testing.T) {
	data, err := renderUserData([]string{"gone", "lib-gone"})
	if err != nil {
		t.Fatal(err)
	}
	script := provisionScript(t, data)
	_, script, _ = strings.Cut(script, "cd /var/lib/dpkg/info\n")
	script, _, ok := strings.Cut(script, "cd /\n")
	if !ok {
		t.Fatal("the script has changed")
	}
	root := t.TempDir()
	for name, text := range map[string]string{
		"info/gone.list":           "/.\n" + root + "\n" + root + "/dir\n" + root + "/dir/a b\n" + root + "/dir/shared\n",
		"info/gone.postrm":         "exit 1\n",
		"info/lib-gone:amd64.list": root + "/own\n" + root + "/own/c\n",
		"info/kept.list":           "/.\n" + root + "\n" + root + "/dir\n" + root + "/dir/shared\n",
		"status":                   "Package: gone\nStatus: x\n\nPackage: kept\nDepends: gone\n\nPackage: lib-gone\nA: b\n",
		"dir/a b":                  "", "dir/shared": "", "own/c": "", "own/generated": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script = "set -eu\ncd " + root + "/info\n" + strings.ReplaceAll(script, "/run/stack-provision/", root+"/")
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]bool{"dir/a b": false, "dir/shared": true, "own/c": false, "own/generated": true,
		"info/gone.postrm": false, "info/kept.list": true} {
		if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
	status, err := os.ReadFile(filepath.Join(root, "status"))
	if err != nil || strings.TrimSpace(string(status)) != "Package: kept\nDepends: gone" {
		t.Errorf("status %q, %v", status, err)
	}
}

func TestSeedDisks(t *testing.T) {
	disks, err := writeSeedDisks(t.TempDir(), "amd64", nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]map[string]string{
		disks.Seed:   {"": "cidata", "user-data": "#cloud-config", "meta-data": "instance-id: "},
		disks.Bundle: {"": "STACKBUNDLE", "build.env": "STACK_EMULATOR_BUILD_SNAPSHOT=1\n", "build-arch.env": "STACK_EMULATOR_BUILD_ARCH=amd64\n"},
		disks.Config: {"": "STACKCFG", "runtime.env": "STACK_EMULATOR_PORT_PREFIX=81\n", "base.env": "#"},
	} {
		image, err := file.OpenFromPath(path, true)
		if err != nil {
			t.Fatal(err)
		}
		defer image.Close()
		disk, err := iso9660.Read(image, 0, 0, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if label := strings.TrimRight(disk.Label(), " \x00"); label != want[""] {
			t.Errorf("label %q, want %q", label, want[""])
		}
		delete(want, "")
		for name, begin := range want {
			if data, err := disk.ReadFile(name); err != nil || !strings.HasPrefix(string(data), begin) {
				t.Errorf("%s: %q, %v; want %q first", name, data, err, begin)
			}
		}
	}
}

func provisionScript(t *testing.T, userData []byte) string {
	t.Helper()
	content := regexp.MustCompile(`content: "([A-Za-z0-9+/=]+)"`).FindSubmatch(userData)
	if content == nil {
		t.Fatalf("no script in\n%s", userData)
	}
	script, err := base64.StdEncoding.DecodeString(string(content[1]))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}
