package guest

import (
	"archive/tar"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// DefaultEngine runs a container from an unpacked root, without a daemon.
const DefaultEngine = "crun"

// dockerEngine is for images whose tools call docker.
const dockerEngine = "docker"

// engine is what an image needs to run its container. Which one it has is known here and to stackguest, and to nobody else:
// a host that starts the image cannot tell.
type engine struct {
	packages []string                                                       // of the VM, beside vmPackages
	open     func(source, arch, work string) (*container, io.Closer, error) // an archive or a directory, as a container
}

// engines are those that there are. crun is in vmPackages: docker uses it, too (dockerfs/etc/docker/daemon.json).
var engines = map[string]engine{
	DefaultEngine: {open: archiveContainer},
	dockerEngine:  {packages: []string{"docker.io", "docker-cli"}, open: dockerContainer},
}

// checkEngine refuses an engine that there is not, and one for a container of ours.
func checkEngine(name, container string) error {
	if _, ok := engines[name]; !ok {
		return fmt.Errorf("there is no engine %q: use %v", name, slices.Sorted(maps.Keys(engines)))
	}
	if name != DefaultEngine && container == "" {
		return fmt.Errorf("the engine %s is for a container of yours: the reference stack has no use for it", name)
	}
	return nil
}

// dockerfs mirrors the root of a VM that has docker, over rootfs.
//
//go:embed all:dockerfs
var dockerfs embed.FS

// dockerTag is what docker calls the image of the container (guest/tools/container).
const dockerTag = "stack:latest"

// containerArchive is where the first boot finds the image (dockerfs/etc/systemd/system/stack-load.service).
const containerArchive = "/var/lib/stack-auth/container/image.tar"

// dockerContainer takes the image out of its archive as [archiveContainer] does, and packs it for docker.
func dockerContainer(source, arch, work string) (*container, io.Closer, error) {
	image, config, err := checkedImage(source, arch, work)
	if err != nil {
		return nil, nil, fmt.Errorf("container %s: %w", filepath.Base(source), err)
	}
	tag, err := name.NewTag(dockerTag)
	if err != nil {
		return nil, nil, err
	}
	archive := filepath.Join(work, "image.tar")
	if err := tarball.WriteToFile(archive, tag, image); err != nil {
		return nil, nil, fmt.Errorf("container %s: %w", filepath.Base(source), err)
	}
	return &container{Archive: archive, Image: config}, io.NopCloser(nil), nil
}

// addArchive adds the image at archive, and what loads and runs it.
func (w *rootWriter) addArchive(archive string) error {
	entries, err := entriesOf(dockerfs, "dockerfs", func(fs.DirEntry) fs.FileMode { return 0o644 })
	if err != nil {
		return err
	}
	if err := w.add(entries...); err != nil {
		return err
	}
	return w.addFile(containerArchive, archive)
}

// addFile adds a file that is too large to be held in memory.
func (w *rootWriter) addFile(target, source string) (err error) {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := w.parents(target); err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: w.name(target), Mode: 0o600, Size: info.Size(), ModTime: buildTime, Format: tar.FormatPAX}
	if err := w.tw.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	_, err = io.Copy(w.tw, in)
	return err
}
