package pack

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
)

// Frame is what stands for the size of a frame in tests, in bytes, and Limit for the largest that is unpacked in one piece.
const Frame, Limit = 64 << 10, 128 << 10

// PackFile is Pack with small frames.
func PackFile(ctx context.Context, dst, src string, progress Progress) error {
	return packFile(ctx, dst, src, Frame, progress)
}

// UnpackFile is UnpackStream that takes little in one piece.
func UnpackFile(ctx context.Context, to *os.File, from io.Reader) error {
	return unpackStream(ctx, to, from, Limit)
}

// PackFrames packs into frames of so many bytes of content.
func PackFrames(ctx context.Context, from *os.File, frame int64) ([]byte, error) {
	var b bytes.Buffer
	err := pack(ctx, &b, from, frame, nil)
	return b.Bytes(), err
}

// InspectBytes is Inspect of a file with these bytes.
func InspectBytes(packed []byte) (Info, error) {
	return inspect(bytes.NewReader(packed), int64(len(packed)))
}

// HeadLength is the size of the header's frame.
const HeadLength = int(headLength)

// UnpackBytes unpacks in memory.
func UnpackBytes(packed []byte) (content []byte, err error) {
	var mu sync.Mutex
	size, err := unpack(context.Background(), func(piece []byte, offset int64) error {
		mu.Lock()
		defer mu.Unlock()
		if missing := int(offset) + len(piece) - len(content); missing > 0 {
			content = append(content, make([]byte, missing)...)
		}
		copy(content[offset:], piece)
		return nil
	}, bytes.NewReader(packed), Limit)
	if err != nil {
		return nil, err
	}
	return content[:size], nil
}
