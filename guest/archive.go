package guest

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/stackemu/stackemu/guest/tools/ociimage"
)

// archiveContainer flattens the image in an OCI directory, an OCI archive or an archive of `docker save` (both also
// gzip'ed) into a container. work is a directory for what has to be unpacked on the way. Close the root when it is read.
func archiveContainer(source, arch, work string) (*container, io.Closer, error) {
	image, config, err := checkedImage(source, arch, work)
	if err != nil {
		return nil, nil, fmt.Errorf("container %s: %w", filepath.Base(source), err)
	}
	root := mutate.Extract(image)
	return &container{Root: root, Image: config}, root, nil
}

// checkedImage opens the image for linux/arch, and sees that a container can be run from it.
func checkedImage(source, arch, work string) (v1.Image, ociimage.Image, error) {
	image, err := openImage(source, arch, work)
	if err != nil {
		return nil, ociimage.Image{}, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, ociimage.Image{}, err
	}
	config := ociimage.Image{Architecture: file.Architecture, OS: file.OS, Config: ociimage.Config{
		User: file.Config.User, Env: file.Config.Env, Entrypoint: file.Config.Entrypoint, Cmd: file.Config.Cmd,
		Volumes: file.Config.Volumes, WorkingDir: file.Config.WorkingDir,
	}}
	return image, config, checkPlatform(config, arch)
}

func checkPlatform(image ociimage.Image, arch string) error {
	if image.OS != "linux" || image.Architecture != arch {
		return fmt.Errorf("it is for %s/%s, want linux/%s", image.OS, image.Architecture, arch)
	}
	return image.Check()
}

func openImage(source, arch, work string) (v1.Image, error) {
	info, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return layoutImage(source, arch)
	}
	if source, err = gunzipped(source, work); err != nil {
		return nil, err
	}
	has, err := tarHas(source, "manifest.json", "oci-layout")
	switch {
	case err != nil:
		return nil, err
	case has["manifest.json"]:
		return tarball.ImageFromPath(source, nil)
	case has["oci-layout"]:
		dir := filepath.Join(work, "oci")
		if err := untar(source, dir); err != nil {
			return nil, err
		}
		return layoutImage(dir, arch)
	}
	return nil, errors.New("neither manifest.json (docker save) nor oci-layout (OCI) is in it")
}

// layoutImage finds the one image for linux/arch in an OCI layout; indexes may nest.
func layoutImage(dir, arch string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	return indexImage(index, arch)
}

func indexImage(index v1.ImageIndex, arch string) (v1.Image, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, m := range manifest.Manifests {
		switch {
		case m.MediaType.IsIndex():
			nested, err := index.ImageIndex(m.Digest)
			if err != nil {
				return nil, err
			}
			if image, err := indexImage(nested, arch); err == nil {
				return image, nil
			}
		case m.MediaType.IsImage() && (m.Platform == nil || m.Platform.OS == "linux" && m.Platform.Architecture == arch):
			return index.Image(m.Digest)
		}
	}
	return nil, fmt.Errorf("no image for linux/%s", arch)
}

// gunzipped returns source, or the name of an unpacked copy in work if it is gzip'ed.
func gunzipped(source, work string) (string, error) {
	in, err := os.Open(source)
	if err != nil {
		return "", err
	}
	defer in.Close()
	head := bufio.NewReader(in)
	if magic, err := head.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return source, nil // too short is not our complaint: the tar reader has a better one
	}
	unpacked, err := gzip.NewReader(head)
	if err != nil {
		return "", err
	}
	copied := filepath.Join(work, "archive.tar")
	return copied, writeFile(copied, unpacked)
}

func tarHas(source string, names ...string) (map[string]bool, error) {
	in, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	has := map[string]bool{}
	for tr := tar.NewReader(in); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return has, nil
		}
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if filepath.Clean(h.Name) == name {
				has[name] = true
			}
		}
	}
}

// untar unpacks an OCI archive: plain files in directories, nothing else, nothing outside of dir.
func untar(source, dir string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	for tr := tar.NewReader(in); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("%q leads out of the archive", h.Name)
		}
		target := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		if err := writeFile(target, tr); err != nil {
			return err
		}
	}
}

func writeFile(path string, data io.Reader) (err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, data)
	return err
}
