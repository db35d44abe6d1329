// Package toolbin holds the programs that the image builder puts into the guest, compiled and compressed, for each
// architecture. `make build` makes them before it compiles what embeds them; a program that was compiled without them
// works, and says so when it is asked to build an image.
package toolbin

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// files always has README.md, so that the pattern matches also where nothing has been built.
//
//go:embed *
var files embed.FS

// ErrMissing means that this program was compiled without the guest's programs.
var ErrMissing = errors.New("this stackemu was compiled without the guest's programs: compile it with `make build`")

// maxSize bounds a decompressed program in bytes.
const maxSize = 256 << 20

// Stackguest returns the guest tools for an architecture in Go's spelling: a static Linux binary.
func Stackguest(arch string) ([]byte, error) { return read(files, "stackguest", arch) }

// Bootinit returns /init of the initial RAM disk for an architecture.
func Bootinit(arch string) ([]byte, error) { return read(files, "bootinit", arch) }

func read(files fs.FS, program, arch string) ([]byte, error) {
	name := program + "-linux-" + arch + ".gz"
	packed, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("toolbin: %s: %w", name, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("toolbin: %w", err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("toolbin: %s: %w", name, err)
	}
	data, err := io.ReadAll(io.LimitReader(unpacked, maxSize))
	if err != nil {
		return nil, fmt.Errorf("toolbin: %s: %w", name, err)
	}
	return data, nil
}
