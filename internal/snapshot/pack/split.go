package pack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// splitter cuts a zstd file into its frames without decoding them. It trusts nothing that it reads.
type splitter struct {
	r      *bufio.Reader
	limit  int   // content of a frame that is taken in one piece, in bytes
	read   int64 // bytes consumed
	buffer []byte
}

// readers are those of earlier splitters. What is long goes past their buffers.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

func newSplitter(r io.Reader, limit int) *splitter {
	s := &splitter{r: readers.Get().(*bufio.Reader), limit: limit}
	s.r.Reset(r)
	return s
}

// close gives up what the splitter has. Nobody may read from it, or from [splitter.rest], any more.
func (s *splitter) close() {
	s.r.Reset(nil)
	readers.Put(s.r)
	s.r = nil
}

// piece is a frame: of content, or to be skipped.
type piece struct {
	frame   []byte // a whole frame of content; a copy of the caller's own
	content int    // bytes in it
	number  int    // of a skippable frame
	payload []byte // of a skippable frame, unless it is long
}

// errLarge says that what follows has to be decoded as a stream: [splitter.rest].
var errLarge = errors.New("frame too large for memory")

// maxPayload bounds what is kept of a skippable frame, in bytes.
const maxPayload = 1 << 10

// maxPacked bounds what is kept of a frame, in bytes. One that no compressor could make smaller is hardly longer than its
// content; one that is much longer consists of empty blocks.
func (s *splitter) maxPacked() int { return s.limit + s.limit/16 + 1<<10 }

// next returns the next frame, in buf if there is room; io.EOF at the end, and errLarge.
func (s *splitter) next(buf []byte) (piece, error) {
	start, err := s.r.Peek(zstd.HeaderMaxSize)
	if err != nil && (len(start) == 0 || !errors.Is(err, io.EOF)) {
		return piece{}, err
	}
	var h zstd.Header
	if err := h.Decode(start); err != nil {
		return piece{}, fmt.Errorf("frame at byte %d: %w", s.read, err)
	}
	if h.Skippable {
		return s.skip(h)
	}
	if !h.HasFCS || h.FrameContentSize > uint64(s.limit) {
		return piece{}, errLarge
	}
	s.buffer = buf[:0]
	if err := s.frame(h); err != nil {
		return piece{}, err
	}
	p := piece{frame: s.buffer, content: int(h.FrameContentSize)}
	s.buffer = nil
	return p, nil
}

// skip reads a skippable frame.
func (s *splitter) skip(h zstd.Header) (piece, error) {
	p := piece{number: h.SkippableID}
	if err := s.discard(h.HeaderSize); err != nil {
		return p, err
	}
	size := int(h.SkippableSize)
	if size > maxPayload {
		return p, s.discard(size)
	}
	s.buffer = nil
	err := s.take(size)
	p.payload, s.buffer = s.buffer, nil
	return p, err
}

// frame reads a frame of content into the buffer, block by block: RFC 8878, section 3.1.1.2.
func (s *splitter) frame(h zstd.Header) error {
	if err := s.take(h.HeaderSize); err != nil {
		return err
	}
	for last := false; !last; {
		if err := s.take(3); err != nil {
			return err
		}
		b := s.buffer[len(s.buffer)-3:]
		word := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		last = word&1 != 0
		length := word >> 3
		if kind := word >> 1 & 3; kind == 1 { // one byte, repeated
			length = 1
		}
		if err := s.take(length); err != nil {
			return err
		}
	}
	if h.HasCheckSum {
		return s.take(4)
	}
	return nil
}

// take moves bytes to the buffer.
func (s *splitter) take(n int) error {
	if len(s.buffer)+n > s.maxPacked() {
		return errLarge
	}
	at := len(s.buffer)
	s.buffer = append(s.buffer, make([]byte, n)...)
	got, err := io.ReadFull(s.r, s.buffer[at:])
	s.read += int64(got)
	return cut(err)
}

func (s *splitter) discard(n int) error {
	got, err := s.r.Discard(n)
	s.read += int64(got)
	return cut(err)
}

// rest is everything from the frame on that was too large.
func (s *splitter) rest() io.Reader { return io.MultiReader(bytes.NewReader(s.buffer), s.r) }

// cut: within a frame, the end is a truncation.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
