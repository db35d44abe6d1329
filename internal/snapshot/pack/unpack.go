package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// Unpack writes the content of the zstd file src to dst. Progress counts the bytes of src. When src is not what it should be,
// the error is a [*DamagedError]; any other says nothing about src.
//
// A file of Pack's is refused if anything of it is missing. Other files have no word for their size: of those, one that was
// cut between two frames cannot be told from a whole one.
func Unpack(ctx context.Context, dst, src string, progress Progress) error {
	f, err := os.Open(src)
	if err == nil {
		defer f.Close()
		err = publish(dst, func(to *os.File) error {
			return judge(ctx, unpackFile(ctx, to, f, progress))
		})
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", src, err)
	}
	return nil
}

// Read decodes the zstd file src as Unpack does, and writes nothing: each gets its content in pieces, and their places. It is
// called by several goroutines at a time and must not keep a piece. The pieces of a file of Pack's, and of one that is a single
// frame, have 4 MiB each but for the last one. Read returns the size of the content in bytes.
func Read(ctx context.Context, src string, each func(content []byte, offset int64) error, progress Progress) (int64, error) {
	f, err := os.Open(src)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", src, err)
	}
	defer f.Close()
	var size int64
	from, err := metered(ctx, f, progress)
	if err == nil {
		size, err = unpack(ctx, each, from, maxFrame)
	}
	if err := judge(ctx, err); err != nil {
		return size, fmt.Errorf("read %s: %w", src, err)
	}
	return size, nil
}

func unpackFile(ctx context.Context, to, from *os.File, progress Progress) error {
	r, err := metered(ctx, from, progress)
	if err != nil {
		return err
	}
	return UnpackStream(ctx, to, r)
}

func metered(ctx context.Context, f *os.File, progress Progress) (io.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return meteredReader{ctx, f, &meter{total: info.Size(), tell: progress}}, nil
}

// UnpackStream writes the content of the zstd stream from, to its end, to the empty file to. After an error there is
// anything in it.
func UnpackStream(ctx context.Context, to *os.File, from io.Reader) error {
	return unpackStream(ctx, to, from, maxFrame)
}

func unpackStream(ctx context.Context, to *os.File, from io.Reader, limit int) error {
	size, err := unpack(ctx, func(content []byte, offset int64) error { return sparse.WriteAt(to, content, offset) }, from, limit)
	if err != nil {
		return err
	}
	return to.Truncate(size)
}

// unpacker is one run of Unpack.
type unpacker struct {
	place   func(content []byte, offset int64) error
	from    *splitter
	decoder *zstd.Decoder
	size    int64 // so far
	want    int64 // as the header says, or -1
}

// unpack takes frames of up to limit bytes of content in one piece. It returns the size of all content.
func unpack(ctx context.Context, place func(content []byte, offset int64) error, from io.Reader, limit int) (int64, error) {
	workers := runtime.GOMAXPROCS(0)
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return 0, err
	}
	defer decoder.Close()
	u := &unpacker{place: place, from: newSplitter(from, limit), decoder: decoder, want: -1}
	defer u.from.close()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers + 1)
	group.Go(func() error { return u.run(ctx, group) })
	if err := group.Wait(); err != nil {
		return 0, err
	}
	if u.want >= 0 && u.want != u.size {
		return 0, fmt.Errorf("has %d bytes of content, and should have %d: %w", u.size, u.want, io.ErrUnexpectedEOF)
	}
	return u.size, nil
}

// run reads the frames and starts a worker for each; the group's limit bounds how many there are.
func (u *unpacker) run(ctx context.Context, group *errgroup.Group) error {
	for first := true; ; first = false {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p, err := u.from.next(buffers.get())
		switch {
		case errors.Is(err, io.EOF) && !first: // nothing at all is no zstd file
			return nil
		case errors.Is(err, errLarge):
			return u.stream(ctx)
		case err != nil:
			return cut(err)
		}
		if p.frame == nil {
			u.skip(p, first)
			continue
		}
		offset := u.size
		u.size += int64(p.content)
		group.Go(func() error { return u.decode(p, offset) })
	}
}

// skip takes the size from our header, which can only be the first frame.
func (u *unpacker) skip(p piece, first bool) {
	if !first || p.number != headerNumber {
		return
	}
	if size, ok := parseHeader(p.payload); ok {
		u.want = size
	}
}

// decode decodes one frame into its place.
func (u *unpacker) decode(p piece, offset int64) error {
	defer buffers.put(p.frame)
	content, err := u.decoder.DecodeAll(p.frame, slices.Grow(buffers.get(), p.content))
	if err != nil {
		return fmt.Errorf("content at byte %d: %w", offset, err)
	}
	defer buffers.put(content)
	if len(content) != p.content {
		return fmt.Errorf("content at byte %d: %d bytes, and not %d", offset, len(content), p.content)
	}
	return u.put(content, offset)
}

func (u *unpacker) put(content []byte, offset int64) error {
	if err := u.place(content, offset); err != nil {
		return placing{err}
	}
	return nil
}

// maxWindow is what the zstd program allows without being asked, in bytes.
const maxWindow = 1 << 27

// stream decodes all that is left, in order, in pieces of the size of a frame of ours.
func (u *unpacker) stream(ctx context.Context) error {
	decoder, err := zstd.NewReader(u.from.rest(), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer decoder.Close()
	piece := buffers.get()
	defer func() { buffers.put(piece) }()
	for err == nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		piece, err = fill(piece[:0], decoder)
		if len(piece) == 0 {
			break
		}
		if err := u.put(piece, u.size); err != nil {
			return err
		}
		u.size += int64(len(piece))
	}
	if errors.Is(err, io.EOF) { // a truncation is io.ErrUnexpectedEOF
		return nil
	}
	return err
}

// fill reads as much as a frame of ours has, or up to the error that it returns. The buffer grows with what there is to read.
func fill(piece []byte, from io.Reader) ([]byte, error) {
	for len(piece) < frameSize {
		if len(piece) == cap(piece) {
			piece = slices.Grow(piece, min(frameSize-len(piece), max(len(piece), block)))
		}
		n, err := from.Read(piece[len(piece):min(cap(piece), frameSize)])
		piece = piece[:len(piece)+n]
		if err != nil {
			return piece, err
		}
	}
	return piece, nil
}

// block is what a zstd block has at most, in bytes: RFC 8878, section 3.1.1.2.3.
const block = 128 << 10
