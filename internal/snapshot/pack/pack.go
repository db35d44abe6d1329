package pack

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// level is zstd's fastest. RAM that is packed at the next one is 8 % smaller and takes twice as long.
const level = zstd.SpeedFastest

// Pack writes the packed form of the file src to dst. Nobody may write to src meanwhile. Progress counts the bytes of src,
// holes too.
func Pack(ctx context.Context, dst, src string, progress Progress) error {
	return packFile(ctx, dst, src, frameSize, progress)
}

func packFile(ctx context.Context, dst, src string, frame int64, progress Progress) error {
	f, err := os.Open(src)
	if err == nil {
		defer f.Close()
		err = publish(dst, func(to *os.File) error { return pack(ctx, to, f, frame, progress) })
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", src, err)
	}
	return nil
}

// packer is one run of Pack.
type packer struct {
	from    *os.File
	size    int64
	frame   int64  // content of one, in bytes
	used    []bool // for each frame, whether there is anything but a hole
	encoder *zstd.Encoder
	hole    []byte // a frame of zeros, once there is one
	meter   meter
}

// pack makes frames of so many bytes of content.
func pack(ctx context.Context, to io.Writer, from *os.File, frame int64, progress Progress) error {
	p, err := newPacker(from, frame, progress)
	if err != nil {
		return err
	}
	defer p.encoder.Close()
	group, ctx := errgroup.WithContext(ctx)
	// What the workers have made waits here in the order of the file: one channel for each frame.
	frames := make(chan chan []byte, p.workers())
	group.Go(func() error {
		defer close(frames)
		return p.encodeAll(ctx, group, frames)
	})
	group.Go(func() error { return p.write(ctx, to, frames) })
	return group.Wait()
}

func newPacker(from *os.File, frame int64, progress Progress) (*packer, error) {
	info, err := from.Stat()
	if err != nil {
		return nil, err
	}
	extents, err := sparse.Data(from)
	if err != nil {
		return nil, err
	}
	p := &packer{from: from, size: info.Size(), frame: frame, meter: meter{total: info.Size(), tell: progress}}
	p.used = make([]bool, (p.size+frame-1)/frame)
	for _, e := range extents {
		for i := e.Offset / frame; i*frame < e.End(); i++ {
			p.used[i] = true
		}
	}
	p.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(p.workers()), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *packer) workers() int { return runtime.GOMAXPROCS(0) }

// length is that of a frame's content.
func (p *packer) length(frame int) int { return int(min(p.frame, p.size-int64(frame)*p.frame)) }

// encodeAll starts a worker for each frame; the queue bounds how many there are.
func (p *packer) encodeAll(ctx context.Context, group *errgroup.Group, frames chan<- chan []byte) error {
	for i := range p.used {
		frame := make(chan []byte, 1)
		select {
		case frames <- frame:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !p.used[i] && int64(p.length(i)) == p.frame {
			if p.hole == nil {
				p.hole = p.encoder.EncodeAll(make([]byte, p.frame), nil)
			}
			frame <- p.hole
			continue
		}
		group.Go(func() error {
			content := slices.Grow(buffers.get(), p.length(i))[:p.length(i)]
			defer buffers.put(content)
			if _, err := p.from.ReadAt(content, int64(i)*p.frame); err != nil {
				return cut(err)
			}
			frame <- p.encoder.EncodeAll(content, nil)
			return nil
		})
	}
	return nil
}

// write writes header, frames and table.
func (p *packer) write(ctx context.Context, to io.Writer, frames <-chan chan []byte) error {
	var t table
	head := header(p.size)
	t.add(len(head), 0)
	if _, err := to.Write(head); err != nil {
		return err
	}
	for i := range p.used {
		select {
		case waiting, open := <-frames:
			if !open {
				return context.Cause(ctx)
			}
			frame, err := receive(ctx, waiting)
			if err != nil {
				return err
			}
			t.add(len(frame), p.length(i))
			if _, err := to.Write(frame); err != nil {
				return err
			}
			p.meter.add(int64(p.length(i)))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	_, err := to.Write(t.frame())
	return err
}

func receive(ctx context.Context, frame <-chan []byte) ([]byte, error) {
	select {
	case f := <-frame:
		return f, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
