package guest

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestCheckEngine(t *testing.T) {
	for _, test := range []struct{ engine, container, want string }{
		{DefaultEngine, "", ""}, {DefaultEngine, "a.tar", ""}, {dockerEngine, "a.tar", ""},
		{dockerEngine, "", "the engine docker is for a container of yours"},
		{"podman", "a.tar", `there is no engine "podman": use [crun docker]`},
	} {
		err := checkEngine(test.engine, test.container)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s of %q: %v, want %q", test.engine, test.container, err, test.want)
		}
	}
}

// Of an archive with several platforms docker gets one image, with its layers and the name that the guest runs it by.
func TestDockerContainer(t *testing.T) {
	dir := t.TempDir()
	image := testImage(t, "amd64")
	c, closer, err := dockerContainer(saveLayout(t, filepath.Join(dir, "oci"), testImage(t, "arm64"), image), "amd64", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := closer.Close(); err != nil {
		t.Error(err)
	}
	if c.Image.Config.WorkingDir != "/app" {
		t.Errorf("config %+v", c.Image.Config)
	}
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	if err := errors.Join(c.writeTo(tw), tw.Close()); err != nil {
		t.Fatal(err)
	}
	files := filesOf(t, &out)
	for _, want := range []string{containerConfig, "/etc/stack-engine", "/etc/docker/daemon.json", "/etc/systemd/system/stack-docker.service"} {
		if len(files["."+want]) == 0 {
			t.Errorf("%s is missing", want)
		}
	}
	tag, err := name.NewTag(dockerTag)
	if err != nil {
		t.Fatal(err)
	}
	archive := files["."+containerArchive]
	loaded, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, &tag)
	if err != nil {
		t.Fatal(err)
	}
	got, gotErr := loaded.ConfigName()
	want, wantErr := image.ConfigName()
	if layers, err := loaded.Layers(); errors.Join(gotErr, wantErr, err) != nil || got != want || len(layers) != 2 {
		t.Errorf("image %v with %d layers, want %v: %v", got, len(layers), want, errors.Join(gotErr, wantErr, err))
	}
}

func TestDockerContainerRefuses(t *testing.T) {
	source := saveDocker(t, filepath.Join(t.TempDir(), "arm.tar"), testImage(t, "arm64"))
	if _, _, err := dockerContainer(source, "amd64", t.TempDir()); err == nil || !strings.Contains(err.Error(), "container arm.tar: it is for linux/arm64") {
		t.Errorf("err = %v", err)
	}
}

// An image of crun has nothing of docker.
func TestEngineIsPaidForWhereItIsUsed(t *testing.T) {
	c, root, err := archiveContainer(saveDocker(t, filepath.Join(t.TempDir(), "a.tar"), testImage(t, "amd64")), "amd64", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	if err := errors.Join(c.writeTo(tw), tw.Close()); err != nil {
		t.Fatal(err)
	}
	vm, err := vmEntries(nil)
	if err != nil {
		t.Fatal(err)
	}
	for file := range filesOf(t, &out) {
		vm = append(vm, entry{Path: file})
	}
	for _, e := range vm {
		if strings.Contains(e.Path, "docker") || strings.Contains(e.Path, "stack-engine") {
			t.Errorf("%s is in an image of crun", e.Path)
		}
	}
	for _, b := range []builder{{}, {Options: Options{Engine: DefaultEngine}}} {
		if packages := strings.Join(b.packages(), " "); strings.Contains(packages, "docker") {
			t.Errorf("packages: %s", packages)
		}
	}
}

// filesOf are the regular files of a tar stream.
func filesOf(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(tr); err != nil {
				t.Fatal(err)
			}
		}
	}
}
