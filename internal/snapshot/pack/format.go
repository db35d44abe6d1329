package pack

import (
	"encoding/binary"
)

// Sizes of content, in bytes.
const (
	frameSize = 4 << 20 // of the frames that are written
	maxFrame  = 8 << 20 // of frames that are unpacked in one piece: what the seekable format allows is 1 GiB
)

// Skippable frames: RFC 8878, section 3.1.2. The number of the table's is given by the seekable format, that of the
// header's is free.
const (
	skippableMagic = 0x184D2A50
	headerNumber   = 13
	tableNumber    = 14
)

// headerTag tells our header from what other programs keep in frames of that number.
const headerTag = "stackemu"

const headerLength = len(headerTag) + 8

func skippable(number int, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(skippableMagic+number))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

// header is the first frame of a packed file.
func header(size int64) []byte {
	return skippable(headerNumber, binary.LittleEndian.AppendUint64([]byte(headerTag), uint64(size)))
}

// parseHeader reads a header's payload; ok is false for that of another program.
func parseHeader(payload []byte) (size int64, ok bool) {
	if len(payload) != headerLength || string(payload[:len(headerTag)]) != headerTag {
		return 0, false
	}
	size = int64(binary.LittleEndian.Uint64(payload[len(headerTag):]))
	return size, size >= 0
}

// table is the seek table: contrib/seekable_format of zstd, without checksums, for the frames have their own.
type table struct{ entries []byte }

const (
	tableFooter = 0x8F92EAB1
	noChecksums = 0
)

// add notes the frame after those that were added before: how long it is, and its content.
func (t *table) add(frame, content int) {
	t.entries = binary.LittleEndian.AppendUint32(t.entries, uint32(frame))
	t.entries = binary.LittleEndian.AppendUint32(t.entries, uint32(content))
}

func (t *table) frame() []byte {
	payload := binary.LittleEndian.AppendUint32(t.entries, uint32(len(t.entries)/8))
	payload = append(payload, noChecksums)
	payload = binary.LittleEndian.AppendUint32(payload, tableFooter)
	return skippable(tableNumber, payload)
}
