package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// Unpack writes the content of the zstd file src to dst. Progress counts the bytes of src.
//
// A file of Pack's is refused if anything of it is missing. Other files have no word for their size: of those, one that was
// cut between two frames cannot be told from a whole one.
func Unpack(ctx context.Context, dst, src string, progress Progress) error {
	f, err := os.Open(src)
	if err == nil {
		defer f.Close()
		err = publish(dst, func(to *os.File) error { return unpackFile(ctx, to, f, progress) })
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", src, err)
	}
	return nil
}

func unpackFile(ctx context.Context, to, from *os.File, progress Progress) error {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	return UnpackStream(ctx, to, meteredReader{ctx, from, &meter{total: info.Size(), tell: progress}})
}

// UnpackStream writes the content of the zstd stream from, to its end, to the empty file to. After an error there is
// anything in it.
func UnpackStream(ctx context.Context, to *os.File, from io.Reader) error {
	size, err := unpack(ctx, to, from)
	if err != nil {
		return err
	}
	return to.Truncate(size)
}

// unpacker is one run of Unpack.
type unpacker struct {
	to      io.WriterAt
	from    *splitter
	decoder *zstd.Decoder
	packed  *pool
	content *pool
	size    int64 // so far
	want    int64 // as the header says, or -1
}

// unpack returns the size of the content. Blocks of zeros, also at the end, are not written.
func unpack(ctx context.Context, to io.WriterAt, from io.Reader) (int64, error) {
	workers := runtime.GOMAXPROCS(0)
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return 0, err
	}
	defer decoder.Close()
	u := &unpacker{
		to: to, from: newSplitter(from), decoder: decoder, want: -1,
		packed: newPool(frameSize), content: newPool(frameSize),
	}
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
		p, err := u.from.next(u.packed.get())
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
	defer u.packed.put(p.frame)
	content, err := u.decoder.DecodeAll(p.frame, u.content.get())
	if err != nil {
		return fmt.Errorf("content at byte %d: %w", offset, err)
	}
	defer u.content.put(content)
	if len(content) != p.content {
		return fmt.Errorf("content at byte %d: %d bytes, and not %d", offset, len(content), p.content)
	}
	return sparse.WriteAt(u.to, content, offset)
}

// maxWindow is what the zstd program allows without being asked, in bytes.
const maxWindow = 1 << 27

// stream decodes all that is left, in order.
func (u *unpacker) stream(ctx context.Context) error {
	decoder, err := zstd.NewReader(u.from.rest(), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer decoder.Close()
	n, err := io.CopyBuffer(&sequential{ctx, u.to, u.size}, justReader{decoder}, make([]byte, 1<<20))
	u.size += n
	return err
}

// justReader hides that a decoder could write by itself, in pieces that are too small to find zeros in.
type justReader struct{ io.Reader }

// sequential writes at one place after the other.
type sequential struct {
	ctx context.Context
	to  io.WriterAt
	at  int64
}

func (s *sequential) Write(data []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	if err := sparse.WriteAt(s.to, data, s.at); err != nil {
		return 0, err
	}
	s.at += int64(len(data))
	return len(data), nil
}
