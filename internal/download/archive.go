package download

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/flate"
)

// Unpack says what to take out of an archive.
type Unpack struct {
	Archive  string               // a zip file of which nothing is believed
	Name     string               // of the file in it, in whatever folder
	To       string               // the new file; the archive has no say in its name
	Progress func(done, of int64) // bytes; nil when nobody listens
}

// Unpacked is a file that was taken out of an archive.
type Unpacked struct {
	Digest string // "sha256:…"
	Size   int64  // bytes
}

const (
	// maxDirectory is what is read of an archive to find out what is in it. One of GitHub's has a few entries.
	maxDirectory = 8 << 20
	maxUnpacked  = 1 << 50 // bytes: more than any disk
)

// UnpackFile takes one file out of a zip archive, through a few buffers. Where the disk has no room for both, the archive is
// given up piece by piece while it is read, if the system can do that. An archive with a name that leads out of its folder is
// refused as a whole. After an error there is no new file.
func UnpackFile(ctx context.Context, u Unpack) (Unpacked, error) {
	done, err := u.unpack(ctx)
	if err != nil {
		return Unpacked{}, fmt.Errorf("archive: %w", err)
	}
	return done, nil
}

func (u Unpack) unpack(ctx context.Context) (_ Unpacked, err error) {
	f, err := os.OpenFile(u.Archive, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return Unpacked{}, err
	}
	defer f.Close()
	source := &source{file: f, budget: maxDirectory}
	entry, err := findEntry(source, u.Name)
	if err != nil {
		return Unpacked{}, err
	}
	source.budget = -1
	dir, size := filepath.Dir(u.To), int64(entry.UncompressedSize64)
	if short := Room(dir, size); short != nil {
		// What is read is given back as it goes.
		if !canPunch || Room(dir, size-int64(entry.CompressedSize64)+punchStep) != nil {
			return Unpacked{}, short
		}
		source.punching = true
	}
	to, err := os.OpenFile(u.To, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Unpacked{}, err
	}
	defer func() {
		if err = errors.Join(err, to.Close()); err != nil {
			_ = os.Remove(u.To)
		}
	}()
	digest, err := u.copy(ctx, to, entry)
	if err != nil {
		return Unpacked{}, fmt.Errorf("%s: %w", u.Name, err)
	}
	return Unpacked{Digest: digest, Size: size}, nil
}

// findEntry finds the one file with the name.
func findEntry(source *source, name string) (*zip.File, error) {
	info, err := source.file.Stat()
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(source, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // checked below, whatever GODEBUG says
		return nil, err
	}
	archive.RegisterDecompressor(zip.Deflate, flate.NewReader)
	var found *zip.File
	for _, f := range archive.File {
		if err := checkEntry(f); err != nil {
			return nil, err
		}
		if path.Base(f.Name) != name || f.Mode().IsDir() {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s is in it twice", name)
		}
		found = f
	}
	switch {
	case found == nil:
		return nil, fmt.Errorf("%s is not in it", name)
	case !found.Mode().IsRegular():
		return nil, fmt.Errorf("%s in it is no ordinary file", name)
	case found.UncompressedSize64 > maxUnpacked || found.CompressedSize64 > uint64(info.Size()):
		return nil, fmt.Errorf("%s in it claims to have %d bytes", name, found.UncompressedSize64)
	case found.Flags&1 != 0:
		return nil, fmt.Errorf("%s in it is encrypted", name)
	}
	return found, nil
}

func checkEntry(f *zip.File) error {
	if !filepath.IsLocal(f.Name) || strings.ContainsAny(f.Name, "\\\x00") {
		return fmt.Errorf("the name %.100q leads out of it", f.Name)
	}
	return nil
}

// copy unpacks an entry, which may be neither longer nor shorter than it says. Its checksum is compared at its end.
func (u Unpack) copy(ctx context.Context, to io.Writer, entry *zip.File) (digest string, err error) {
	from, err := entry.Open()
	if err != nil {
		return "", err
	}
	defer from.Close()
	size := int64(entry.UncompressedSize64)
	digest, done, err := CopyDigest(ctx, to, io.LimitReader(from, size+1), func(done int64) {
		if u.Progress != nil {
			u.Progress(done, size)
		}
	})
	switch {
	case err != nil:
		return "", err
	case done > size:
		return "", zip.ErrFormat
	case done < size:
		return "", io.ErrUnexpectedEOF
	}
	return digest, nil
}

// source reads an archive.
type source struct {
	file     *os.File
	budget   int64 // bytes that may still be read; negative for any number
	punching bool  // what was read is given back to the disk
	punched  int64
}

var errDirectory = errors.New("its table of contents is too long")

func (s *source) ReadAt(p []byte, at int64) (int, error) {
	if s.budget >= 0 {
		if s.budget -= int64(len(p)); s.budget < 0 {
			return 0, errDirectory
		}
	}
	// The data of an entry is read from its start to its end.
	if s.punching && at-s.punched > punchStep {
		if err := punch(s.file, s.punched, at-s.punched); err != nil {
			return 0, err
		}
		s.punched = at
	}
	return s.file.ReadAt(p, at)
}

// punchStep is how much is given back at a time, in bytes.
const punchStep = 16 << 20
