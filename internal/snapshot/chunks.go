package snapshot

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/stackemu/stackemu/internal/snapshot/sparse"
)

// chunkSize is how much of a big file one checksum stands for, in bytes.
const chunkSize = 4 << 20

// castagnoli is CRC-32C, for which CPUs have an instruction: it keeps up with the memory. It is meant for what a disk
// loses, not for an adversary, who could write a manifest of his own.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// chunkSums are the checksums of a file's chunks, four bytes each, big endian. A hole counts as the zeros that it reads as.
type chunkSums []byte

func (s chunkSums) at(chunk int64) uint32       { return binary.BigEndian.Uint32(s[4*chunk:]) }
func (s chunkSums) set(chunk int64, sum uint32) { binary.BigEndian.PutUint32(s[4*chunk:], sum) }

func chunksIn(size int64) int64 { return (size + chunkSize - 1) / chunkSize }

// zeroSum is the checksum of a chunk of zeros.
var zeroSum = sync.OnceValue(func() uint32 { return crc32.Checksum(make([]byte, chunkSize), castagnoli) })

// buffers have room for a chunk each.
var buffers = sync.Pool{New: func() any { b := make([]byte, chunkSize); return &b }}

// sumChunks reads all data of f. It uses all CPUs, and tells every number of bytes that it has done to progress, which may
// be nil and is called from several goroutines.
func sumChunks(ctx context.Context, f *os.File, size int64, progress func(bytes int64)) (chunkSums, error) {
	used, err := usedChunks(f, size)
	if err != nil {
		return nil, err
	}
	sums := make(chunkSums, 4*chunksIn(size))
	zero := zeroSum()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(runtime.GOMAXPROCS(0), len(used)) {
		group.Go(func() error {
			lent := buffers.Get().(*[]byte)
			defer buffers.Put(lent)
			buffer := *lent
			for chunk := next.Add(1) - 1; chunk < int64(len(used)); chunk = next.Add(1) - 1 {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				length := min(chunkSize, size-chunk*chunkSize)
				sum := zero
				if used[chunk] || length < chunkSize {
					if _, err := f.ReadAt(buffer[:length], chunk*chunkSize); err != nil {
						return fmt.Errorf("read at %d: %w", chunk*chunkSize, noEOF(err))
					}
					sum = crc32.Checksum(buffer[:length], castagnoli)
				}
				sums.set(chunk, sum)
				if progress != nil {
					progress(length)
				}
			}
			return nil
		})
	}
	return sums, group.Wait()
}

// usedChunks says which chunks have any data in them.
func usedChunks(f *os.File, size int64) ([]bool, error) {
	extents, err := sparse.Data(f)
	if err != nil {
		return nil, err
	}
	used := make([]bool, chunksIn(size))
	for _, e := range extents {
		for chunk := e.Offset / chunkSize; chunk*chunkSize < min(e.End(), size); chunk++ {
			used[chunk] = true
		}
	}
	return used, nil
}

// differs says where a file is not what it was, or nil.
func (s chunkSums) differs(now chunkSums) error {
	if len(s) != len(now) {
		return fmt.Errorf("has %d chunks, and had %d", len(now)/4, len(s)/4)
	}
	for chunk := range int64(len(s) / 4) {
		if s.at(chunk) != now.at(chunk) {
			return fmt.Errorf("has changed between the bytes %d and %d", chunk*chunkSize, (chunk+1)*chunkSize)
		}
	}
	return nil
}

// noEOF: a file that ends early is not one that was read to its end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
