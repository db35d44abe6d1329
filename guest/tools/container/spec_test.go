package container

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/ociimage"
)

var update = flag.Bool("update", false, "write the golden files anew")

var image = ociimage.Image{Config: ociimage.Config{
	Entrypoint: []string{"/usr/bin/init"}, Cmd: []string{"-c", "/etc/init.conf"},
	Env:        []string{"PATH=/bin", "LANG=C.UTF-8", "PORT=1"},
	WorkingDir: "/app",
	Volumes:    map[string]struct{}{"/var/lib/db": {}, "/data": {}},
}}

func TestSpecGolden(t *testing.T) {
	spec := GuestLayout.Spec(image, envfile.Vars{"PORT": "2", "KEY": "k"}, specs.User{UID: 7, GID: 8})
	got, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "config.json.golden")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(got, '\n'), want) {
		t.Errorf("config.json differs from %s (rewrite with -update):\n%s", golden, got)
	}
}

func TestSpecGivesNoPowerOverTheGuest(t *testing.T) {
	spec := GuestLayout.Spec(image, nil, specs.User{})
	for _, dangerous := range []string{"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_MKNOD", "CAP_SYS_TIME"} {
		if slices.Contains(spec.Process.Capabilities.Bounding, dangerous) {
			t.Errorf("the container has %s", dangerous)
		}
	}
	if !spec.Process.NoNewPrivileges {
		t.Error("a program of the container can gain privileges")
	}
	for _, mount := range spec.Mounts {
		if !slices.Contains(mount.Options, "nosuid") && !slices.Contains(mount.Options, "ro") {
			t.Errorf("%s is neither nosuid nor read-only", mount.Destination)
		}
	}
}

func TestVolumeDirsDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, path := range []string{"/a/b", "/a-b", "/a--b", "/a/-b", "/a-/b", "/a%2Fb"} {
		dir := GuestLayout.volumeDir(path)
		if filepath.Dir(dir) != GuestLayout.Volumes {
			t.Errorf("%s is kept in %s, outside the volumes", path, dir)
		}
		if other, taken := seen[dir]; taken {
			t.Errorf("%s and %s are both kept in %s", path, other, dir)
		}
		seen[dir] = path
	}
}
