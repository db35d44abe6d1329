package guest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

func TestCreateDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	const size = 64 << 20
	if err := createDisk(path, size, platforms["amd64"]); err != nil {
		t.Fatal(err)
	}
	image, err := file.OpenFromPath(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	table, err := mbr.Read(image, sectorSize, sectorSize)
	if err != nil {
		t.Fatal(err)
	}
	p := table.Partitions[0]
	if !p.Bootable || p.Type != mbr.Linux || p.GetStart() != partitionStart || p.GetSize() != size-partitionStart {
		t.Errorf("partition %+v", p)
	}
	if err := createDisk(path, size, platforms["amd64"]); err == nil {
		t.Error("an existing file was overwritten")
	}
}

func TestInstallGRUBKeepsThePartitionTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := createDisk(path, 4<<20, platforms["amd64"]); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	boot, core := bytes.Repeat([]byte{0xB0}, sectorSize), bytes.Repeat([]byte{0xC0}, 3*sectorSize+7)
	if err := installGRUB(f, boot, core); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before[bootCodeSize:sectorSize], after[bootCodeSize:sectorSize]) {
		t.Error("the partition table has changed")
	}
	if got := binary.LittleEndian.Uint64(after[kernelSectorOffset:]); got != 1 {
		t.Errorf("boot.img loads sector %d, want 1", got)
	}
	list := after[sectorSize+blockListOffset:]
	if first, n := binary.LittleEndian.Uint64(list), binary.LittleEndian.Uint16(list[8:]); first != 2 || n != 3 {
		t.Errorf("block list: %d sectors from %d, want 3 from 2", n, first)
	}
	if !bytes.Equal(after[2*sectorSize:4*sectorSize+7], core[sectorSize:]) || after[4*sectorSize+7] != 0 {
		t.Error("the core image is not where it belongs")
	}
}

func TestInstallGRUBRefuses(t *testing.T) {
	boot, core := make([]byte, sectorSize), make([]byte, 2*sectorSize)
	for name, images := range map[string][2][]byte{
		"short boot":   {boot[:100], core},
		"short core":   {boot, core[:sectorSize]},
		"core too big": {boot, make([]byte, coreMax+1)},
	} {
		if err := installGRUB(failingWriter{t}, images[0], images[1]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// failingWriter is a disk that must not be written to.
type failingWriter struct{ t *testing.T }

func (w failingWriter) WriteAt([]byte, int64) (int, error) {
	w.t.Error("the disk was written to")
	return 0, os.ErrInvalid
}

func TestProgramArguments(t *testing.T) {
	lines := func(args []string) string { return strings.Join(args, "\n") + "\n" }
	golden(t, "mke2fs.golden", lines(fileSystemArgs("/w/disk.raw", "/w/root", rootLabel, platforms["amd64"].rootExtent(8<<30))))
	golden(t, "grub-mkimage.golden", lines(grubImageArgs("/w/grub.cfg", "/w/core.img")))
	b := bootstrap{Arch: "amd64", Variant: "essential", Packages: []string{"systemd", "crun"},
		Sources:    []string{"deb http://mirror.example/debian trixie main"},
		AptOptions: []string{`Acquire::http::Proxy "http://proxy.example:3128";`},
		Exclude:    []string{"/usr/lib/big/*"}, Preseed: map[string]string{"etc/it's.conf": "a = 'b'\n"},
		KeepModules: []string{"fs/9p/", "drivers/net/veth"},
	}
	golden(t, "mmdebstrap.golden", lines(b.args()))
	b.Root = true
	if !strings.HasPrefix(lines(b.args()), "--mode=root\n") {
		t.Error("root does not need a namespace")
	}
}
