// Package isofile reads small files from the root directory of an ISO 9660 disk, without mounting it.
//
// A mount needs a kernel module and two system calls that can hang on a bad disk; the two files of the config disk are
// three sector reads away. Only the primary volume is read, so names come as ISO 9660 spells them and are compared
// without case and version: "runtime.env" finds "RUNTIME.ENV;1". Every number that the disk holds is checked before it is
// used: the disk comes from outside the guest.
package isofile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Sizes and offsets of ECMA-119, in bytes.
const (
	sector         = 2048
	firstVolume    = 16 * sector // section 6.2.1: 16 sectors of system area
	primaryVolume  = 1           // section 8.1.1
	labelOffset    = 40          // section 8.4.7, 32 bytes
	rootOffset     = 156         // section 8.4.18, 34 bytes
	extentOffset   = 2           // section 9.1.3, little-endian half of a both-endian number
	sizeOffset     = 10          // section 9.1.4
	flagsOffset    = 25          // section 9.1.6
	nameLenOffset  = 32          // section 9.1.10
	flagDirectory  = 0x02
	flagMultiple   = 0x80
	shortestRecord = 34
)

// maxDirectory and maxFile bound, in bytes, what is read into memory.
const (
	maxDirectory = 64 << 10
	maxFile      = 1 << 20
)

// ErrFormat is wrapped when the disk is not ISO 9660 or contradicts itself.
var ErrFormat = errors.New("not a usable ISO 9660 disk")

// Label returns the volume identifier of the disk.
func Label(disk io.ReaderAt) (string, error) {
	volume, err := readVolume(disk)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(volume[labelOffset:labelOffset+32]), " \x00"), nil
}

// ReadFiles returns all regular files of the root directory, by lower-case name.
func ReadFiles(disk io.ReaderAt) (map[string][]byte, error) {
	volume, err := readVolume(disk)
	if err != nil {
		return nil, err
	}
	root, err := readExtent(disk, volume[rootOffset:rootOffset+shortestRecord], maxDirectory)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	files := map[string][]byte{}
	for at := 0; at < len(root); {
		length := int(root[at])
		if length == 0 { // records do not cross sectors: the rest of this one is padding
			at = (at/sector + 1) * sector
			continue
		}
		if length < shortestRecord || at+length > len(root) {
			return nil, fmt.Errorf("%w: directory record of %d bytes at %d", ErrFormat, length, at)
		}
		if err := addFile(files, disk, root[at:at+length]); err != nil {
			return nil, err
		}
		at += length
	}
	return files, nil
}

func addFile(files map[string][]byte, disk io.ReaderAt, record []byte) error {
	end := nameLenOffset + 1 + int(record[nameLenOffset])
	if end > len(record) {
		return fmt.Errorf("%w: a name is longer than its record", ErrFormat)
	}
	name, _, _ := strings.Cut(strings.ToLower(string(record[nameLenOffset+1:end])), ";")
	name = strings.TrimSuffix(name, ".")
	if record[flagsOffset]&flagDirectory != 0 {
		return nil
	}
	if record[flagsOffset]&flagMultiple != 0 {
		return fmt.Errorf("%w: %q has several extents", ErrFormat, name)
	}
	data, err := readExtent(disk, record, maxFile)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	files[name] = data
	return nil
}

func readVolume(disk io.ReaderAt) ([]byte, error) {
	volume := make([]byte, sector)
	if err := readFull(disk, volume, firstVolume); err != nil {
		return nil, err
	}
	if volume[0] != primaryVolume || string(volume[1:6]) != "CD001" {
		return nil, fmt.Errorf("%w: no primary volume", ErrFormat)
	}
	return volume, nil
}

func readExtent(disk io.ReaderAt, record []byte, limit uint32) ([]byte, error) {
	size := binary.LittleEndian.Uint32(record[sizeOffset:])
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", ErrFormat, size, limit)
	}
	data := make([]byte, size)
	at := int64(binary.LittleEndian.Uint32(record[extentOffset:])) * sector
	return data, readFull(disk, data, at)
}

func readFull(disk io.ReaderAt, data []byte, at int64) error {
	n, err := disk.ReadAt(data, at)
	if n == len(data) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends before byte %d", ErrFormat, at+int64(len(data)))
	}
	return err
}
