package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

// packedName is what a file is called when it is packed, and "" for those that never are: the device state, which is read at
// each start, and the image, which is not the snapshot's own. That of mapped-ram is the original's.
func packedName(name string) string {
	switch name {
	case ramName, diskName:
		return name + ".zst"
	case savevmName:
		return "savevm.zst"
	}
	return ""
}

// packedFiles are the entries of the files that can be packed.
func (m *Manifest) packedFiles() (files []*File) {
	for i := range m.Files {
		if packedName(m.Files[i].Name) != "" {
			files = append(files, &m.Files[i])
		}
	}
	return files
}

// packedPath is where the packed form of a file is, or would be.
func (f *File) packedPath(dir string) string { return filepath.Join(dir, packedName(f.Name)) }

// exists tells whether there is something under a name, be it what it should be or not.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// inspectPacked sees that the packed form of a file is whole, without reading more than its ends.
func (f *File) inspectPacked(dir string) error {
	info, err := pack.Inspect(f.packedPath(dir))
	if err != nil {
		return f.packedDamage(err)
	}
	if info.Content >= 0 && info.Content != f.Size {
		return &damage{packedName(f.Name), fmt.Errorf("holds %d bytes, and %s had %d", info.Content, f.Name, f.Size)}
	}
	return nil
}

// packedDamage tells damage from what the system refuses.
func (f *File) packedDamage(err error) error {
	if d, ok := errors.AsType[*pack.DamagedError](err); ok {
		return &damage{packedName(f.Name), fmt.Errorf("is damaged: %w", d.Err)}
	}
	return err
}

// readPacked decodes the packed form of a file and holds every byte to what was captured. Progress counts packed bytes.
func (f *File) readPacked(ctx context.Context, dir string, progress pack.Progress) error {
	sums := make(chunkSums, len(f.CRC32C))
	digest := ""
	size, err := pack.Read(ctx, f.packedPath(dir), func(piece []byte, offset int64) error {
		end := offset + int64(len(piece))
		switch {
		case end > f.Size || offset%chunkSize != 0 || len(piece) != chunkSize && end != f.Size:
			return &damage{packedName(f.Name), errors.New("was not packed by stackemu: its pieces are not those of the checksums")}
		case f.SHA256 == "":
			sums.set(offset/chunkSize, crc32.Checksum(piece, castagnoli))
		case int64(len(piece)) == f.Size: // what has a digest is one piece
			sum := sha256.Sum256(piece)
			digest = digestPrefix + hex.EncodeToString(sum[:])
		}
		return nil
	}, progress)
	if err != nil {
		return f.packedDamage(err)
	}
	if size != f.Size {
		return &damage{packedName(f.Name), fmt.Errorf("holds %d bytes, and %s had %d", size, f.Name, f.Size)}
	}
	if err := f.sameSums(digest, sums); err != nil {
		return &damage{packedName(f.Name), fmt.Errorf("holds another %s than the one that was captured: it %w", f.Name, err)}
	}
	return nil
}

// sameSums compares with what a file's bytes were when it was sealed.
func (f *File) sameSums(digest string, sums chunkSums) error {
	if f.SHA256 == "" {
		return f.CRC32C.differs(sums)
	}
	if digest != f.SHA256 {
		return fmt.Errorf("has the digest %s, and had %s", digest, f.SHA256)
	}
	return nil
}
