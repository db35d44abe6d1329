package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/span"
)

// smallFile is up to what size, in bytes, a file is read whole each time that a snapshot is found: 2 ms.
const smallFile = 4 << 20

// hashed says whether a file is known by one SHA-256, rather than by checksums of its chunks. The device state always is:
// QEMU loads most garbage in it without a word.
func hashed(name string, size int64) bool { return name == stateName || size <= smallFile }

// seal brings the files of a snapshot to stable storage, makes them read-only and describes them.
func seal(ctx context.Context, dir string, p Parts) ([]File, error) {
	names, err := p.Format.names()
	if err != nil {
		return nil, err
	}
	files := make([]File, len(names))
	group, ctx := errgroup.WithContext(ctx)
	for i, name := range names {
		group.Go(func() error {
			err := span.Do(ctx, "disk", "sync and check "+name, func() error { return files[i].seal(ctx, dir, name, p) })
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	return files, group.Wait()
}

func (f *File) seal(ctx context.Context, dir, name string, p Parts) error {
	path := filepath.Join(dir, name)
	if err := looksRight(path, p); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if name != baseName { // that is the image's own inode
		if err := file.Chmod(0o400); err != nil {
			return err
		}
	}
	if err := file.Sync(); err != nil { // first: what is written late through a mapping changes the file's time
		return err
	}
	f.Name = name
	if f.identity, err = identityOf(file); err != nil {
		return err
	}
	if err := f.sum(ctx, file, p); err != nil {
		return err
	}
	if now, err := identityOf(file); err != nil || now != f.identity {
		return errors.Join(errors.New("is still being written to"), err)
	}
	return nil
}

// sum fills in what the file's bytes are. Those of the image have been read already, for its digest.
func (f *File) sum(ctx context.Context, file *os.File, p Parts) (err error) {
	switch {
	case f.Name == baseName:
		f.SHA256 = p.ImageDigest
	case hashed(f.Name, f.Size):
		f.SHA256, err = sha256Of(ctx, file)
	default:
		f.CRC32C, err = sumChunks(ctx, file, f.Size, nil)
	}
	return err
}

// verify sees that a file is the one that was sealed, without reading more than small files. An error that is not about
// the file itself (no permission, no memory) is returned as it is; damage is a *damage.
func (f *File) verify(ctx context.Context, dir string) error {
	file, err := os.Open(filepath.Join(dir, f.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return &damage{f.Name, errors.New("is missing")}
	}
	if err != nil {
		return err
	}
	defer file.Close()
	now, err := identityOf(file)
	if err != nil {
		return &damage{f.Name, err}
	}
	if err := f.identity.differs(now); err != nil {
		return &damage{f.Name, err}
	}
	if f.Name == baseName || f.SHA256 == "" {
		return nil
	}
	return f.verifyHash(ctx, file)
}

func (f *File) verifyHash(ctx context.Context, file *os.File) error {
	sum, err := sha256Of(ctx, file)
	if errors.Is(err, syscall.EIO) { // the disk has lost it
		return &damage{f.Name, err}
	}
	if err != nil {
		return err
	}
	if sum != f.SHA256 {
		return &damage{f.Name, fmt.Errorf("has the digest %s, and had %s", sum, f.SHA256)}
	}
	return nil
}

// damage says which file of a snapshot is not what it was.
type damage struct {
	file string
	err  error
}

func (d *damage) Error() string { return d.file + " " + d.err.Error() }
func (d *damage) Unwrap() error { return d.err }
