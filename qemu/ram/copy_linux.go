package ram

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
)

const (
	// readAtOnce is how much memory is read at once, in bytes.
	readAtOnce = 1 << 20
	// minHole is the shortest stretch of zeros that is worth a hole instead of zeros on disk, in bytes.
	minHole = 64 << 10
)

// zeros is what a hole reads as.
var zeros [minHole]byte

// copyRuns copies runs from memory to the same places in dst, and returns how many bytes.
func copyRuns(ctx context.Context, dst *os.File, memory io.ReaderAt, runs []Run, progress func(done, total int64)) (int64, error) {
	var done int64
	total := Bytes(runs)
	buf := make([]byte, readAtOnce)
	for _, r := range runs {
		for end := r.Offset + r.Length; r.Offset < end; {
			if ctx.Err() != nil {
				return done, context.Cause(ctx)
			}
			part := buf[:min(end-r.Offset, readAtOnce)]
			if n, err := memory.ReadAt(part, r.Offset); n < len(part) {
				return done, fmt.Errorf("memory: %w", err)
			}
			if err := writeSparse(dst, part, r.Offset); err != nil {
				return done, err
			}
			r.Offset += int64(len(part))
			before := done
			done += int64(len(part))
			if progress != nil && (done == total || done/readAtOnce != before/readAtOnce) { // not for every page
				progress(done, total)
			}
		}
	}
	return done, nil
}

// writeSparse writes b at offset, with holes for what is zero.
func writeSparse(dst *os.File, b []byte, offset int64) error {
	for len(b) > 0 {
		n, hole := stretch(b)
		if !hole || punch(dst, offset, int64(n)) != nil { // no holes in this file system: then zeros
			if _, err := dst.WriteAt(b[:n], offset); err != nil {
				return err
			}
		}
		b, offset = b[n:], offset+int64(n)
	}
	return nil
}

// stretch returns the length of what b begins with, in steps of [minHole]: zeros, or something else.
func stretch(b []byte) (n int, zero bool) {
	isZero := func(b []byte) bool { return len(b) == minHole && bytes.Equal(b, zeros[:]) }
	zero = isZero(b[:min(minHole, len(b))])
	for n < len(b) {
		next := min(minHole, len(b)-n)
		if isZero(b[n:n+next]) != zero {
			break
		}
		n += next
	}
	return n, zero
}
