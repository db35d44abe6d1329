package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// parseFoot reads the last bytes of a table: how many entries it has.
func parseFoot(foot []byte) (entries uint32, ok bool) {
	le := binary.LittleEndian
	if int64(len(foot)) != footLength || le.Uint32(foot[5:]) != tableFooter || foot[4] != noChecksums {
		return 0, false
	}
	return le.Uint32(foot), true
}

// frames are the entries of a table. The first is that of the header.
type frames []struct{ packed, content uint32 }

// parseTable reads the whole last frame of a packed file.
func parseTable(text []byte) (frames, error) {
	le := binary.LittleEndian
	rest := int64(len(text)) - 8 - footLength
	if rest < 0 || rest%entrySize != 0 || le.Uint32(text) != skippableMagic+tableNumber || int64(le.Uint32(text[4:])) != int64(len(text)-8) {
		return nil, errors.New("its table is none")
	}
	if entries, ok := parseFoot(text[8+rest:]); !ok || int64(entries) != rest/entrySize {
		return nil, errors.New("its table has another length than it says")
	}
	table := make(frames, rest/entrySize)
	for i := range table {
		entry := text[8+int64(i)*entrySize:]
		table[i].packed, table[i].content = le.Uint32(entry), le.Uint32(entry[4:])
	}
	return table, nil
}

// covers sees that the frames make up so many bytes before the table, and of content.
func (f frames) covers(packed, content int64) error {
	var sumPacked, sumContent int64 // of uint32s, of which there are fewer than 2^31
	for _, e := range f {
		sumPacked, sumContent = sumPacked+int64(e.packed), sumContent+int64(e.content)
	}
	switch {
	case len(f) == 0 || int64(f[0].packed) != headLength || f[0].content != 0:
		return errors.New("its table does not begin with its header")
	case sumPacked != packed:
		return fmt.Errorf("its frames have %d bytes, and should have %d", packed, sumPacked)
	case sumContent != content:
		return fmt.Errorf("its frames have %d bytes of content, and should have %d", sumContent, content)
	}
	return nil
}
