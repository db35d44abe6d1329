package container

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/ociimage"
)

func TestCreateArgsGolden(t *testing.T) {
	withComma := image
	withComma.Config.Volumes = map[string]struct{}{"/var/lib/db": {}, "/data": {}, "/a,b \"c\"": {}}
	got := []byte(strings.Join(GuestLayout.createArgs(withComma), "\n") + "\n")
	golden := filepath.Join("testdata", "docker-create.golden")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the arguments differ from %s (rewrite with -update):\n%s", golden, got)
	}
}

// What the image says of itself is docker's to know, and no secret is on a command line.
func TestCreateArgsLeaveTheImageItsOwn(t *testing.T) {
	args := GuestLayout.createArgs(image)
	if plain := GuestLayout.createArgs(ociimage.Image{}); len(args) != len(plain)+len(image.Config.Volumes) || args[len(args)-1] != dockerImage {
		t.Errorf("arguments: %q", args)
	}
	if slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, "LANG") || strings.HasPrefix(arg, "--env=") }) {
		t.Errorf("an environment is on the command line: %q", args)
	}
}

func TestRotateArgs(t *testing.T) {
	got := strings.Join(rotateArgs(map[string]string{"B": "secret", "A": "other"}), " ")
	if want := "exec --env=A --env=B stack rotate-secrets"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVolumeNames(t *testing.T) {
	seen := map[string]string{}
	for _, path := range []string{"/data", "/a/b", "/a-b", "/a_b", "/a--b", "/a/-b", "/a-/b", "/a_2db", "/a.b", "/ä"} {
		name := volumeName(path)
		if other, taken := seen[name]; taken {
			t.Errorf("%s and %s are both %s", path, other, name)
		}
		seen[name] = path
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			t.Errorf("docker does not take %q", name)
		}
	}
	if seen["stack-data"] != "/data" {
		t.Errorf("names: %v", seen)
	}
}

func TestOnDocker(t *testing.T) {
	for text, want := range map[string]bool{"docker\n": true, "docker": true} {
		l := Layout{Engine: filepath.Join(t.TempDir(), "engine")}
		if err := os.WriteFile(l.Engine, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := l.OnDocker(); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	l := Layout{Engine: filepath.Join(t.TempDir(), "engine")}
	if got, err := l.OnDocker(); got || err != nil {
		t.Errorf("an image of crun: %v, %v", got, err)
	}
	if err := os.WriteFile(l.Engine, []byte("podman"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.OnDocker(); err == nil || !strings.Contains(err.Error(), "podman") {
		t.Errorf("err = %v", err)
	}
}

// held is an environment that is held as long as a file is there.
type held string

func (h held) Close() error { return os.Remove(string(h)) }

// The environment is held from before docker reads it until the container is there to be found.
func TestCreateHoldsTheEnvironment(t *testing.T) {
	l := layout(t, nil)
	l.write(t, "")
	bin := t.TempDir()
	l.Docker = bin + "/no-daemon.sock"
	mark, docker := filepath.Join(bin, "held"), filepath.Join(bin, "docker")
	hold := func() (io.Closer, error) { return held(mark), os.WriteFile(mark, nil, 0o600) }
	for script, want := range map[string]string{
		"[ -e " + mark + " ] && [ \"$1\" = create ]": "",
		"echo no such image >&2; exit 1":             "docker create: exit status 1: no such image",
	} {
		if err := os.WriteFile(docker, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		err := l.create(docker, hold)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
		if _, err := os.Stat(mark); !os.IsNotExist(err) {
			t.Errorf("%s: the environment is still held: %v", script, err)
		}
	}
}
