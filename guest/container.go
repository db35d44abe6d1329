package guest

import (
	"archive/tar"
	"encoding/json"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/guest/stack"
	"github.com/stackemu/stackemu/guest/tools/ociimage"
)

// Where the container lies in the VM (guest/tools/container reads it there).
const (
	containerRoot   = "/var/lib/stack-auth/container/rootfs"
	containerConfig = "/var/lib/stack-auth/container/image.json"
)

// container is a container's root, as a tar stream, and how it is run.
type container struct {
	Root    io.Reader
	Keep    func(p string) bool // nil keeps everything
	Extra   []entry             // laid over Root
	Archive string              // for docker: a file with the image, in the place of the three
	Image   ociimage.Image
}

// referenceContainer is our own stack on a root that bootstrap made.
func referenceContainer(arch string, root io.Reader, stackguest []byte) (*container, error) {
	files, err := entriesOf(stack.Files, ".", stack.Mode)
	if err != nil {
		return nil, err
	}
	return &container{
		Root:  root,
		Keep:  func(p string) bool { return !removed(p, stack.Remove) },
		Extra: append(files, entry{Path: "/" + stack.Binary, Mode: 0o755, Data: stackguest}),
		Image: stack.ImageConfig(arch),
	}, nil
}

// referenceBootstrap is the run of mmdebstrap for the reference stack's root.
func referenceBootstrap(arch string, root bool, sources, aptOptions []string) bootstrap {
	return bootstrap{
		Arch: arch, Variant: "essential", Packages: stack.Packages, Sources: sources, AptOptions: aptOptions, Root: root,
		Exclude: stack.Excludes, Preseed: stack.Preseed,
	}
}

// writeTo writes the container below its place in the VM.
func (c *container) writeTo(tw *tar.Writer) error {
	vm := newRootWriter(tw, "")
	config, err := json.MarshalIndent(c.Image, "", "  ")
	if err != nil {
		return err
	}
	if err := vm.add(entry{Path: containerConfig, Mode: 0o644, Data: append(config, '\n')}); err != nil {
		return err
	}
	if c.Archive != "" {
		return vm.addArchive(c.Archive)
	}
	root := newRootWriter(tw, containerRoot)
	err = root.copyFrom(c.Root, func(h *tar.Header, _ io.Reader) (bool, error) {
		return !isDevice(h) && (c.Keep == nil || c.Keep(path.Clean("/"+h.Name))), nil
	})
	if err != nil {
		return err
	}
	return root.add(c.Extra...)
}

// removed reports whether p or a directory above it matches one of patterns, which are relative to the root.
func removed(p string, patterns []string) bool {
	for p = strings.TrimPrefix(p, "/"); p != "" && p != "."; p = path.Dir(p) {
		for _, pattern := range patterns {
			if ok, err := filepath.Match(pattern, p); ok && err == nil {
				return true
			}
		}
	}
	return false
}
