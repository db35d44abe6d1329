package sparse

import (
	"bytes"
	"io"
)

// block is the unit in which zeros are looked for, in bytes: that of pages and of most file systems.
const block = 4096

var zeros [block]byte

// WriteAt writes data at an offset of a file that reads as zeros there, and leaves out blocks that are all zeros, so that
// they stay holes. Neither are such blocks at the end of the file written: its size must be set afterwards.
func WriteAt(w io.WriterAt, data []byte, offset int64) error {
	for len(data) > 0 {
		skip := run(data, offset, true)
		data, offset = data[skip:], offset+int64(skip)
		n := run(data, offset, false)
		if n == 0 {
			continue
		}
		if _, err := w.WriteAt(data[:n], offset); err != nil {
			return err
		}
		data, offset = data[n:], offset+int64(n)
	}
	return nil
}

// run is the number of bytes at the beginning of data whose blocks are all zeros, or all are not.
func run(data []byte, offset int64, zero bool) (n int) {
	for n < len(data) {
		end := min(len(data), n+block-int((offset+int64(n))%block))
		if bytes.Equal(data[n:end], zeros[:end-n]) != zero {
			return n
		}
		n = end
	}
	return n
}
