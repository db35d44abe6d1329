package guest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestArchiveContainer(t *testing.T) {
	dir := t.TempDir()
	image := testImage(t, "amd64")
	sources := map[string]string{
		"docker save":              saveDocker(t, filepath.Join(dir, "docker.tar"), image),
		"OCI layout":               saveLayout(t, filepath.Join(dir, "oci"), testImage(t, "arm64"), image),
		"OCI layout of one image":  saveLayout(t, filepath.Join(dir, "single"), image),
		"OCI layout of docker 25+": saveNested(t, filepath.Join(dir, "nested"), testImage(t, "arm64"), image),
	}
	sources["OCI archive"] = packDir(t, filepath.Join(dir, "oci.tar"), sources["OCI layout"])
	sources["gzip'ed OCI archive"] = packGzip(t, sources["OCI archive"])
	sources["gzip'ed docker save"] = packGzip(t, sources["docker save"])
	for kind, source := range sources {
		t.Run(kind, func(t *testing.T) {
			c, root, err := archiveContainer(source, "amd64", t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if args := c.Image.Config.Args(); !slices.Equal(args, []string{"/run.sh", "serve"}) ||
				c.Image.Config.WorkingDir != "/app" || c.Image.Config.User != "7" || !slices.Equal(c.Image.Config.Env, []string{"A=b"}) ||
				!maps.Equal(c.Image.Config.Volumes, map[string]struct{}{"/data": {}}) || c.Image.Architecture != "amd64" {
				t.Errorf("config %+v", c.Image.Config)
			}
			var out bytes.Buffer
			tw := tar.NewWriter(&out)
			if err := errors.Join(c.writeTo(tw), tw.Close()); err != nil {
				t.Fatal(err)
			}
			list := strings.Join(listTar(t, &out), "\n")
			for _, want := range []string{"755 ." + containerRoot + "/run.sh 0:0 abc", "644 ." + containerConfig} {
				if !strings.Contains(list, want) {
					t.Errorf("%q is missing in\n%s", want, list)
				}
			}
			if strings.Contains(list, "old") || strings.Contains(list, ".wh.") {
				t.Errorf("a file of a lower layer that an upper one deletes is there:\n%s", list)
			}
		})
	}
}

func TestArchiveContainerRefuses(t *testing.T) {
	dir := t.TempDir()
	none := testImage(t, "amd64")
	none, err := mutate.Config(none, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(dir, "outside.tar")
	writeTarFile(t, outside, tar.Header{Name: "oci-layout", Size: 3, Typeflag: tar.TypeReg},
		tar.Header{Name: "../evil", Size: 3, Typeflag: tar.TypeReg})
	unrelated := filepath.Join(dir, "unrelated.tar")
	writeTarFile(t, unrelated, tar.Header{Name: "readme", Size: 3, Typeflag: tar.TypeReg})
	for source, want := range map[string]string{
		saveDocker(t, filepath.Join(dir, "arm.tar"), testImage(t, "arm64")): "it is for linux/arm64, want linux/amd64",
		saveDocker(t, filepath.Join(dir, "none.tar"), none):                 "neither entrypoint nor command",
		saveLayout(t, filepath.Join(dir, "oci"), testImage(t, "arm64")):     "no image for linux/amd64",
		outside:                      "leads out of the archive",
		unrelated:                    "neither manifest.json",
		filepath.Join(dir, "absent"): "no such file",
	} {
		_, root, err := archiveContainer(source, "amd64", t.TempDir())
		if err == nil || !strings.Contains(err.Error(), want) || root != nil {
			t.Errorf("%s: %v, want %q", filepath.Base(source), err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "evil")); err == nil {
		t.Error("an archive wrote outside of its directory")
	}
}

// testImage has two layers, the second of which deletes a file of the first.
func testImage(t *testing.T, arch string) v1.Image {
	t.Helper()
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: arch, OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	for _, files := range [][]string{{"run.sh", "old"}, {".wh.old", "app/index.js"}} {
		var layer bytes.Buffer
		tw := tar.NewWriter(&layer)
		for _, file := range files {
			writeTar(t, tw, tar.Header{Typeflag: tar.TypeReg, Name: file, Mode: 0o755, Size: 3})
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
		if err != nil {
			t.Fatal(err)
		}
		if image, err = mutate.AppendLayers(image, l); err != nil {
			t.Fatal(err)
		}
	}
	image, err = mutate.Config(image, v1.Config{Entrypoint: []string{"/run.sh"}, Cmd: []string{"serve"}, Env: []string{"A=b"},
		WorkingDir: "/app", User: "7", Volumes: map[string]struct{}{"/data": {}}, ExposedPorts: map[string]struct{}{"80/tcp": {}}})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func saveDocker(t *testing.T, path string, image v1.Image) string {
	t.Helper()
	tag, err := name.NewTag("stack:test")
	if err = errors.Join(err, tarball.WriteToFile(path, tag, image)); err != nil {
		t.Fatal(err)
	}
	return path
}

// saveLayout writes an OCI layout with one image for each platform.
func saveLayout(t *testing.T, path string, images ...v1.Image) string {
	t.Helper()
	dir, err := layout.Write(path, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if err := dir.AppendImage(image, layout.WithPlatform(*config.Platform())); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// saveNested writes an OCI layout as docker's build does: an index in the index, with a statement about each image that is for no
// platform.
func saveNested(t *testing.T, path string, images ...v1.Image) string {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		statement := mutate.IndexAddendum{Add: empty.Image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}}
		index = mutate.AppendManifests(index, statement, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	dir, err := layout.Write(path, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.AppendIndex(index); err != nil {
		t.Fatal(err)
	}
	return path
}

func packDir(t *testing.T, path, dir string) string {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(out)
	if err := errors.Join(tw.AddFS(os.DirFS(dir)), tw.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func packGzip(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err = w.Write(data)
	if err = errors.Join(err, w.Close(), os.WriteFile(path+".gz", out.Bytes(), fs.FileMode(0o600))); err != nil {
		t.Fatal(err)
	}
	return path + ".gz"
}

func writeTarFile(t *testing.T, path string, headers ...tar.Header) {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, h := range headers {
		writeTar(t, tw, h)
	}
	if err := errors.Join(tw.Close(), os.WriteFile(path, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}
