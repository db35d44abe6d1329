package ram

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
)

// An entry of /proc/PID/pagemap is 8 bytes in the machine's order, of which three bits matter here
// (Documentation/admin-guide/mm/pagemap.rst of Linux).
const (
	entrySize   = 8
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageOfFile  = 1 << 61 // of the file's own page in the page cache, or shared
)

// entriesAtOnce is how many entries are read at once: 64 KiB, for 32 MiB of RAM.
const entriesAtOnce = 8192

// isPrivate reports whether an entry is of a private copy. A page that is neither present nor swapped out is the file's.
func isPrivate(entry uint64) bool {
	return entry&(pagePresent|pageSwapped) != 0 && entry&pageOfFile == 0
}

// appendPrivate appends the private pages among entries, the first of which is of the page at offset. A page that follows
// the last run makes it longer.
func appendPrivate(runs []Run, entries []byte, offset, pageSize int64) []Run {
	for ; len(entries) >= entrySize; entries, offset = entries[entrySize:], offset+pageSize {
		if !isPrivate(binary.NativeEndian.Uint64(entries)) {
			continue
		}
		if last := len(runs) - 1; last >= 0 && runs[last].Offset+runs[last].Length == offset {
			runs[last].Length += pageSize
		} else {
			runs = append(runs, Run{offset, pageSize})
		}
	}
	return runs
}

// privateRuns returns the private pages of mappings, which are in order.
func privateRuns(ctx context.Context, pagemap io.ReaderAt, mappings []mapping, pageSize int64) ([]Run, error) {
	var runs []Run
	buf := make([]byte, entriesAtOnce*entrySize)
	for _, m := range mappings {
		for done := int64(0); done < int64(m.length); done += entriesAtOnce * pageSize {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			entries := min((int64(m.length)-done)/pageSize, entriesAtOnce)
			part := buf[:entries*entrySize]
			at := (int64(m.address) + done) / pageSize * entrySize
			if n, err := pagemap.ReadAt(part, at); n < len(part) {
				return nil, fmt.Errorf("page map: %w", err)
			}
			runs = appendPrivate(runs, part, int64(m.offset)+done, pageSize)
		}
	}
	return runs, nil
}
