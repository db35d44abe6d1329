package qemutest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/stackemu/stackemu/qemu"
)

// playImg is the main function of the fake qemu-img: create makes an image that consists of its header, convert copies,
// info reads the header.
func playImg(argv []string) error {
	if len(argv) < 2 {
		return errors.New("no command")
	}
	last := argv[len(argv)-1]
	switch argv[0] {
	case "create":
		for i, a := range argv[:len(argv)-1] {
			if a == "-b" {
				return os.WriteFile(last, Qcow2(argv[i+1]), 0o600)
			}
		}
		return errors.New("no backing file")
	case "convert":
		data, err := os.ReadFile(argv[len(argv)-2])
		if err != nil {
			return err
		}
		return os.WriteFile(last, data, 0o600)
	case "info":
		f, err := os.Open(last)
		if err != nil {
			return err
		}
		defer f.Close()
		h, err := qemu.ReadHeader(f)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(qemu.ImageInfo{Format: "qcow2", VirtualSize: h.VirtualSize, BackingFile: h.BackingFile})
	}
	return fmt.Errorf("unknown command %q", argv[0])
}

// Qcow2 returns an empty qcow2 image of 1 GiB that QEMU takes, with a backing file unless that is "".
func Qcow2(backing string) []byte {
	const header, cluster = 104, 64 << 10
	b := make([]byte, 4*cluster) // header, table of reference counts, their one block, table of tables
	be := binary.BigEndian
	be.PutUint32(b[0:], 0x514649fb)
	be.PutUint32(b[4:], 3)
	if backing != "" {
		be.PutUint64(b[8:], header)
		be.PutUint32(b[16:], uint32(len(backing)))
		copy(b[header:], backing)
	}
	be.PutUint32(b[20:], 16) // clusters of 2^16 bytes
	be.PutUint64(b[24:], 1<<30)
	be.PutUint32(b[36:], 2) // tables for 512 MiB each
	be.PutUint64(b[40:], 3*cluster)
	be.PutUint64(b[48:], 1*cluster)
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4) // reference counts of 2^4 bits
	be.PutUint32(b[100:], header)
	be.PutUint64(b[1*cluster:], 2*cluster)
	for i := range 4 {
		be.PutUint16(b[2*cluster+2*i:], 1)
	}
	return b
}
