package bugreport

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// maxFile is what is packed of one file: its end, where the trouble is.
const maxFile = 8 << 20

// Packer writes an archive. Files appear in the order in which they were added.
type Packer struct {
	redact *Redactor
	dir    string // all files are below it
	now    time.Time
	gzip   *gzip.Writer
	tar    *tar.Writer
}

// NewPacker begins an archive whose files are all in the directory dir.
func NewPacker(out io.Writer, dir string, now time.Time, r *Redactor) *Packer {
	z := gzip.NewWriter(out)
	return &Packer{redact: r, dir: dir, now: now, gzip: z, tar: tar.NewWriter(z)}
}

// Add packs a text.
func (p *Packer) Add(name string, text []byte) error {
	text = p.redact.Redact(text)
	name = path.Join(p.dir, string(p.redact.Redact([]byte(name))))
	err := p.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), ModTime: p.now, Format: tar.FormatPAX})
	if err == nil {
		_, err = p.tar.Write(text)
	}
	if err != nil {
		return fmt.Errorf("bug report: %s: %w", name, err)
	}
	return nil
}

// AddFile packs the end of a file, and nothing if it is not there. A file that cannot be read becomes a note that says so.
func (p *Packer) AddFile(name, from string) error {
	text, err := tail(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		text = []byte("could not be read: " + err.Error() + "\n")
	}
	return p.Add(name, text)
}

// Close ends the archive.
func (p *Packer) Close() error { return errors.Join(p.tar.Close(), p.gzip.Close()) }

func tail(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is no regular file")
	}
	if info.Size() > maxFile {
		if _, err := f.Seek(-maxFile, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}
