package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Info is what a packed file says about itself.
type Info struct {
	Size   int64 // of the file, in bytes
	Frames int   // of content
	// Content is the size of what was packed in bytes, or -1 where only reading all of it would tell: the file is not one of
	// Pack's.
	Content int64
}

// Inspect reads a packed file's header and table and sees that they agree with each other and with the size of the file, which
// takes no time. That finds every truncation of a file of Pack's, and says nothing about the bytes between: [Read] does. Of
// other zstd files it sees the first four bytes. The error is a [*DamagedError] as for [Unpack].
func Inspect(path string) (Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return Info{}, fmt.Errorf("inspect: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &DamagedError{errors.New("is not a file")}
	}
	if err != nil {
		return Info{}, fmt.Errorf("inspect %s: %w", path, err)
	}
	told, err := inspect(f, info.Size())
	if err != nil {
		return Info{}, fmt.Errorf("inspect %s: %w", path, err)
	}
	return told, nil
}

// zstdMagic begins a frame of content: RFC 8878, section 3.1.1.
const zstdMagic = 0xFD2FB528

// headLength and footLength are the sizes of our header, and of the end of a seek table, in bytes.
const (
	headLength int64 = 8 + int64(headerLength)
	footLength int64 = 9
	entrySize  int64 = 8
)

// maxTable bounds what is read of a table, in bytes: that of 16 TiB in frames of 4 MiB.
const maxTable = 32 << 20

// inspect trusts nothing that it reads, and reads no more than a table that fits into the file.
func inspect(f io.ReaderAt, size int64) (Info, error) {
	head, err := readAt(f, 0, min(size, headLength))
	if err != nil {
		return Info{}, err
	}
	content, ours := parseHead(head)
	if !ours {
		if len(head) < 4 || !startsFrame(binary.LittleEndian.Uint32(head)) {
			return Info{}, &DamagedError{errors.New("is no zstd file")}
		}
		return Info{Size: size, Content: -1}, nil
	}
	foot, err := readAt(f, max(0, size-footLength), min(size, footLength))
	if err != nil {
		return Info{}, err
	}
	entries, ok := parseFoot(foot)
	length := 8 + int64(entries)*entrySize + footLength
	if !ok || length > size-headLength || length > maxTable {
		return Info{}, &DamagedError{fmt.Errorf("its table is not at its end: %w", io.ErrUnexpectedEOF)}
	}
	text, err := readAt(f, size-length, length)
	if err != nil {
		return Info{}, err
	}
	frames, err := parseTable(text)
	if err == nil {
		err = frames.covers(size-length, content)
	}
	if err != nil {
		return Info{}, &DamagedError{err}
	}
	return Info{Size: size, Frames: len(frames) - 1, Content: content}, nil
}

func readAt(f io.ReaderAt, offset, length int64) ([]byte, error) {
	b := make([]byte, length)
	n, err := f.ReadAt(b, offset)
	if int64(n) == length {
		return b, nil
	}
	return nil, cut(err)
}

func startsFrame(magic uint32) bool {
	return magic == zstdMagic || magic&^0xF == skippableMagic
}

// parseHead reads the first frame of a packed file; ok is false for any other file.
func parseHead(head []byte) (size int64, ok bool) {
	le := binary.LittleEndian
	if int64(len(head)) != headLength || le.Uint32(head) != uint32(skippableMagic+headerNumber) || le.Uint32(head[4:]) != uint32(headerLength) {
		return 0, false
	}
	return parseHeader(head[8:])
}
