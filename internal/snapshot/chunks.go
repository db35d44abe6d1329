package snapshot

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"slices"
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

// readStep is how much is read at a time, in bytes: it fits into the cache of a core. It divides a chunk.
const readStep = 128 << 10

var (
	zeros   [readStep]byte
	zeroSum = sync.OnceValue(func() uint32 { return crc32.Checksum(make([]byte, chunkSize), castagnoli) }) // of a chunk
	buffers = sync.Pool{New: func() any { return new([readStep]byte) }}
)

// sumChunks reads all data of f. It uses all CPUs, and tells every number of bytes that it has done to progress, which may
// be nil and is called from several goroutines.
func sumChunks(ctx context.Context, f *os.File, size int64, progress func(bytes int64)) (chunkSums, error) {
	used, err := usedSteps(f, size)
	if err != nil {
		return nil, err
	}
	sums := make(chunkSums, 4*chunksIn(size))
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(int64(runtime.GOMAXPROCS(0)), chunksIn(size)) {
		group.Go(func() error {
			for chunk := next.Add(1) - 1; chunk < chunksIn(size); chunk = next.Add(1) - 1 {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				end := min((chunk+1)*chunkSize, size)
				sum, err := sumChunk(f, used, chunk*chunkSize, end)
				if err != nil {
					return err
				}
				sums.set(chunk, sum)
				if progress != nil {
					progress(end - chunk*chunkSize)
				}
			}
			return nil
		})
	}
	return sums, group.Wait()
}

// sumChunk is the checksum of what lies between two offsets.
func sumChunk(f *os.File, used []bool, from, end int64) (sum uint32, err error) {
	first, last := from/readStep, (end-1)/readStep
	if end-from == chunkSize && !slices.Contains(used[first:last+1], true) {
		return zeroSum(), nil
	}
	buffer := buffers.Get().(*[readStep]byte)
	defer buffers.Put(buffer)
	for step := first; step <= last; step++ {
		data := zeros[:min(readStep, end-step*readStep)]
		if used[step] {
			data = buffer[:len(data)]
			if _, err := f.ReadAt(data, step*readStep); err != nil {
				return 0, fmt.Errorf("read at %d: %w", step*readStep, noEOF(err))
			}
		}
		sum = crc32.Update(sum, castagnoli, data)
	}
	return sum, nil
}

// usedSteps says which stretches of a step each have any data in them.
func usedSteps(f *os.File, size int64) ([]bool, error) {
	extents, err := sparse.Data(f)
	if err != nil {
		return nil, err
	}
	used := make([]bool, (size+readStep-1)/readStep)
	for _, e := range extents {
		for step := e.Offset / readStep; step*readStep < min(e.End(), size); step++ {
			used[step] = true
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
