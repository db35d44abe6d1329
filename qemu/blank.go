package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// An overlay to which nobody has written yet says nothing but the name and the size of what is below it, so those of one name and size are
// the same bytes. Starting qemu-img takes longer than all else that a resume needs before it starts QEMU: it makes the first one, and the
// others are copies.

// blank writes an overlay on base, which it knows by a name.
func (b *Binary) blank(ctx context.Context, base, name, path string) error {
	create := func() error {
		return b.img(ctx, nil, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", name, plainPath(path))
	}
	maker, native := sealed(b.Img)
	if b.cache == "" || !native || name != filepath.Base(name) {
		return create()
	}
	size, err := sizeOf(base)
	if err != nil {
		return err
	}
	made := false
	kept := filepath.Join(b.cache, "overlay-"+name+".json")
	s, err := cached(ctx, kept, fmt.Sprintf("%s|%d", maker, size), func() (s sparse, err error) {
		if err = create(); err == nil {
			made = true
			s, err = readSparse(path)
		}
		return s, err
	})
	if err != nil || made {
		return err
	}
	return s.write(path)
}

// sizeOf is how many bytes a guest sees of a qcow2 image.
func sizeOf(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h, err := ReadHeader(f)
	return h.VirtualSize, err
}

// sparse is a file of which little is not zero.
type sparse struct {
	Size  int64  `json:"size"` // bytes
	Parts []part `json:"parts"`
}

type part struct {
	At    int64  `json:"at"` // bytes
	Bytes []byte `json:"bytes"`
}

// partSize is how far what is zero is told from what is not: a block of usual file systems.
const partSize = 4 << 10

func readSparse(path string) (sparse, error) {
	data, err := os.ReadFile(path) // 192 KiB, and 2 MiB on the largest disk that ReadHeader takes
	if err != nil {
		return sparse{}, err
	}
	s := sparse{Size: int64(len(data))}
	for at := 0; at < len(data); at += partSize {
		if block := data[at:min(at+partSize, len(data))]; bytes.Count(block, []byte{0}) < len(block) {
			s.Parts = append(s.Parts, part{int64(at), block})
		}
	}
	return s, nil
}

// write makes the file anew, with mode 0600.
func (s sparse) write(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(s.Size)
	for _, p := range s.Parts {
		if err == nil {
			_, err = f.WriteAt(p.Bytes, p.At)
		}
	}
	return errors.Join(err, f.Close())
}
