package qemu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
)

// Header is what the header of a qcow2 image says, as far as it decides what QEMU opens.
type Header struct {
	Version     int
	VirtualSize int64 // bytes that the guest sees
	ClusterSize int   // bytes
	BackingFile string
	DataFile    bool // the guest's data is in another file
	Dirty       bool // was not closed; its reference counts are wrong, and are mended when it is opened
	Corrupt     bool // QEMU has found it damaged, and opens it for reading only
	Encrypted   bool
	Snapshots   int // internal ones
}

// Parts of the format: docs/interop/qcow2.rst of QEMU.
const (
	qcowMagic       = 0x514649fb // "QFI\xfb"
	qcowHeaderV2    = 72
	qcowHeaderV3    = 104
	minClusterBits  = 9
	maxClusterBits  = 21
	maxBackingName  = 1023
	maxVirtualSize  = 64 << 40 // beyond any real image; what walks through a whole disk (map, convert) still comes to an end
	bitDirty        = 1 << 0
	bitCorrupt      = 1 << 1
	bitDataFile     = 1 << 2
	bitCompression  = 1 << 3 // zstd
	bitExtendedL2   = 1 << 4
	knownBits       = bitDirty | bitCorrupt | bitDataFile | bitCompression | bitExtendedL2
	maxSnapshots    = 65536
	maxHeaderLength = 1 << 16
)

// ErrNotQcow2 is the error of a file in another format.
var ErrNotQcow2 = errors.New("not a qcow2 image")

// ReadHeader reads the header of a qcow2 image, and trusts nothing in it.
func ReadHeader(r io.ReaderAt) (Header, error) {
	var b [qcowHeaderV3]byte
	n, err := r.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, err
	}
	be := binary.BigEndian
	if n < qcowHeaderV2 || be.Uint32(b[0:]) != qcowMagic {
		return Header{}, ErrNotQcow2
	}
	clusterBits, size := be.Uint32(b[20:]), be.Uint64(b[24:])
	h := Header{
		Version:     int(be.Uint32(b[4:])),
		VirtualSize: int64(size),
		Encrypted:   be.Uint32(b[32:]) != 0,
		Snapshots:   int(be.Uint32(b[60:])),
	}
	switch {
	case h.Version != 2 && h.Version != 3:
		return Header{}, fmt.Errorf("qcow2 version %d is unknown", h.Version)
	case clusterBits < minClusterBits || clusterBits > maxClusterBits:
		return Header{}, fmt.Errorf("qcow2 clusters of 2^%d bytes", clusterBits)
	case size > maxVirtualSize:
		return Header{}, fmt.Errorf("qcow2 of %d bytes", size)
	case h.Snapshots > maxSnapshots:
		return Header{}, fmt.Errorf("qcow2 with %d snapshots", h.Snapshots)
	}
	h.ClusterSize = 1 << clusterBits
	if h.Version == 3 {
		if n < qcowHeaderV3 {
			return Header{}, io.ErrUnexpectedEOF
		}
		if err := h.readFeatures(be.Uint64(b[72:]), be.Uint32(b[100:])); err != nil {
			return Header{}, err
		}
	}
	h.BackingFile, err = backingName(r, be.Uint64(b[8:]), be.Uint32(b[16:]), h.ClusterSize)
	return h, err
}

// readFeatures takes over the incompatible features of version 3.
func (h *Header) readFeatures(features uint64, length uint32) error {
	if unknown := features &^ knownBits; unknown != 0 {
		return fmt.Errorf("qcow2 with the unknown feature %d", bits.TrailingZeros64(unknown))
	}
	if length < qcowHeaderV3 || length > maxHeaderLength {
		return fmt.Errorf("qcow2 header of %d bytes", length)
	}
	h.Dirty = features&bitDirty != 0
	h.Corrupt = features&bitCorrupt != 0
	h.DataFile = features&bitDataFile != 0
	return nil
}

// backingName reads the backing file's name, which lies in the first cluster.
func backingName(r io.ReaderAt, offset uint64, length uint32, cluster int) (string, error) {
	if offset == 0 {
		return "", nil
	}
	if length == 0 || length > maxBackingName || offset > uint64(cluster) || offset+uint64(length) > uint64(cluster) {
		return "", fmt.Errorf("qcow2 backing file name of %d bytes at %d", length, offset)
	}
	name := make([]byte, length)
	if _, err := r.ReadAt(name, int64(offset)); err != nil {
		return "", fmt.Errorf("qcow2 backing file name: %w", err)
	}
	return string(name), nil
}

// CheckImage reads the header of the qcow2 image at path and refuses one that would make QEMU open any other file, or
// that it could not use: a backing file that is not among those allowed by name, an external data file, encryption,
// damage. QEMU would follow such names to any file that the user can read, so an image from elsewhere is checked first.
func CheckImage(path string, backing ...string) (Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return Header{}, fmt.Errorf("qemu: %w", err)
	}
	defer f.Close()
	h, err := ReadHeader(f)
	if err == nil {
		err = h.refuse(backing)
	}
	if err != nil {
		return Header{}, fmt.Errorf("qemu: image %s: %w", path, err)
	}
	return h, nil
}

// refuse says what speaks against using an image.
func (h Header) refuse(backing []string) error {
	switch {
	case h.BackingFile != "" && !slices.Contains(backing, h.BackingFile):
		return fmt.Errorf("it has a backing file, %q", h.BackingFile)
	case h.DataFile:
		return errors.New("its data is in another file")
	case h.Encrypted:
		return errors.New("it is encrypted")
	case h.Corrupt:
		return errors.New("QEMU has marked it as damaged")
	}
	return nil
}
