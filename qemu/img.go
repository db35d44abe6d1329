package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/stackemu/stackemu/internal/span"
)

// ImageInfo is what qemu-img says about an image.
type ImageInfo struct {
	Format      string `json:"format"`
	VirtualSize int64  `json:"virtual-size"` // bytes that the guest sees
	ActualSize  int64  `json:"actual-size"`  // bytes on the host's disk
	BackingFile string `json:"backing-filename"`
}

// CreateOverlay makes the qcow2 image overlay, mode 0600, whose content is that of the qcow2 image base until it is
// written to. A base in the same directory is named relatively, so that the directory can be moved as a whole. The
// overlay appears under its name when it is whole, in the place of one that was there.
func (b *Binary) CreateOverlay(ctx context.Context, base, overlay string) error {
	name, err := backingNameFor(base, overlay)
	if err == nil {
		err = publish(overlay, func(tmp string) error { return b.blank(ctx, base, name, tmp) })
	}
	if err != nil {
		return fmt.Errorf("qemu: overlay %s: %w", overlay, err)
	}
	return nil
}

// backingNameFor returns the name by which an overlay finds its base.
func backingNameFor(base, overlay string) (string, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(filepath.Dir(overlay))
	if err != nil {
		return "", err
	}
	if filepath.Dir(base) != dir {
		return base, nil
	}
	return plainName(filepath.Base(base)), nil
}

// plainName is the name of a file in the same directory, protected from being read as a protocol.
func plainName(name string) string {
	for _, c := range name {
		if c == ':' {
			return plainPath(name)
		}
	}
	return name
}

// ConvertCompressed writes src, of whatever format, to dst as a qcow2 that is compressed with zstd and has no backing
// file. dst appears under its name when it is whole and on stable storage.
func (b *Binary) ConvertCompressed(ctx context.Context, src, dst string) error {
	err := publish(dst, func(tmp string) error {
		return b.img(ctx, nil, "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", plainPath(src), plainPath(tmp))
	})
	if err != nil {
		return fmt.Errorf("qemu: compress %s: %w", src, err)
	}
	return nil
}

// Info asks qemu-img about an image that nobody writes to. Check an image from elsewhere by [CheckImage] first.
func (b *Binary) Info(ctx context.Context, path string) (ImageInfo, error) {
	var info ImageInfo
	if err := b.img(ctx, &info, "info", "--output=json", plainPath(path)); err != nil {
		return ImageInfo{}, fmt.Errorf("qemu: info of %s: %w", path, err)
	}
	return info, nil
}

// img runs qemu-img and decodes its output into out, unless that is nil.
func (b *Binary) img(ctx context.Context, out any, args ...string) error {
	cmd := exec.CommandContext(ctx, b.Img, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	end := span.Begin(ctx, "qemu-img", args[0])
	stdout, err := cmd.Output()
	end(err)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("qemu-img %s: %w", args[0], withStderr(err))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(stdout, out)
}
