package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

// unpack leaves out what makes a file durable: the zstd program does not do that either.
func (f *folder) unpack(ctx context.Context, s setup) (took time.Duration, err error) {
	packed, err := f.packedRAM(ctx, s)
	if err != nil {
		return 0, err
	}
	err = f.toFile(func(to string) error {
		began := time.Now()
		in, err := os.Open(packed)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		err = errors.Join(pack.UnpackStream(ctx, out, in), out.Close())
		took = time.Since(began)
		return err
	})
	return took, err
}

func (f *folder) zstd(ctx context.Context, s setup) (took time.Duration, err error) {
	program, err := exec.LookPath("zstd")
	if err != nil {
		return 0, &skip{"zstd is not installed"}
	}
	packed, err := f.packedRAM(ctx, s)
	if err != nil {
		return 0, err
	}
	err = f.toFile(func(to string) error {
		began := time.Now()
		said, err := exec.CommandContext(ctx, program, "-d", "-T0", "-q", packed, "-o", to).CombinedOutput()
		took = time.Since(began)
		if err != nil {
			return fmt.Errorf("zstd: %w: %s", err, strings.TrimSpace(string(said)))
		}
		return nil
	})
	return took, err
}

// toFile gives make the name for a file, and removes that afterwards.
func (f *folder) toFile(make func(to string) error) error {
	to := filepath.Join(f.root, "unpacked")
	err := make(to)
	if gone := os.Remove(to); err == nil { // else it need not be there
		err = gone
	}
	return err
}

// packedRAM packs the RAM of the snapshot, once.
func (f *folder) packedRAM(ctx context.Context, s setup) (_ string, err error) {
	if f.packed != "" {
		return f.packed, nil
	}
	r, err := f.newRoom(s)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	parts, err := r.parts(ctx)
	if err != nil {
		return "", err
	}
	found, err := snapshot.Open(f.snapshots()).FindContext(ctx, parts, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	if found.Manifest.Parts.Format == snapshot.MappedRAM { // packed it is already
		f.packed = found.Files().Packed
		return f.packed, nil
	}
	packed := filepath.Join(f.root, "ram.zst")
	if err := pack.Pack(ctx, packed, found.Files().RAM, nil); err != nil {
		return "", err
	}
	f.packed = packed
	return packed, nil
}
