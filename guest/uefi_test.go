package guest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs"
	"github.com/diskfs/go-diskfs/filesystem"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// testSize is a disk that has room for the boot partition and a little root.
const testSize = 512 << 20

// What is written is read back as firmware would: by the table, then by the file system.
func TestUEFIDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := createDisk(path, testSize, platforms["arm64"]); err != nil {
		t.Fatal(err)
	}
	kernel, initrd := noise(5<<20+7), noise(4096) // ends in the middle of a cluster, and at the end of one
	files := bootFiles{kernel: kernel, initrd: initrd, loader: []byte("loader")}.espFiles("console=ttyAMA0 quiet")
	if err := installUEFI(path, files); err != nil {
		t.Fatal(err)
	}
	disk, err := diskfs.Open(path, diskfs.WithOpenMode(diskfs.ReadOnly))
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	checkUEFITable(t, disk.Table.(*gpt.Table))

	esp, err := disk.GetFilesystem(1)
	if err != nil || esp.Type() != filesystem.TypeFat32 {
		t.Fatal(esp, err)
	}
	for name, want := range map[string][]byte{
		"/EFI/BOOT/BOOTAA64.EFI":     []byte("loader"),
		"/loader/loader.conf":        []byte(loaderConfig),
		"/loader/entries/stack.conf": []byte("title stack-emulator\nlinux /vmlinuz\ninitrd /initrd.img\noptions console=ttyAMA0 quiet\n"),
		"/vmlinuz":                   kernel,
		"/initrd.img":                initrd,
	} {
		if got := readFile(t, esp, name); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d: %.80q", name, len(got), len(want), got)
		}
	}
}

// checkUEFITable: the parts do not overlap, and leave the table's second copy alone.
func checkUEFITable(t *testing.T, table *gpt.Table) {
	t.Helper()
	esp, root := table.Partitions[0], table.Partitions[1]
	if esp.Type != gpt.EFISystemPartition || esp.GetStart() != espExtent.start || esp.GetSize() != espExtent.size {
		t.Errorf("boot partition %+v", esp)
	}
	at := platforms["arm64"].rootExtent(testSize)
	if root.Type != gpt.LinuxFilesystem || root.GetStart() != at.start || root.GetSize() != at.size {
		t.Errorf("root partition %+v, want %+v", root, at)
	}
	if at.start < espExtent.end() || at.end() > testSize-backupTableSize || at.start%(1<<20) != 0 {
		t.Errorf("the root is at %+v of %d bytes", at, testSize)
	}
}

// The same inputs give the same table.
func TestUEFITableIsConstant(t *testing.T) {
	a, b := uefiTable(extent{1 << 30, 1 << 30}), uefiTable(extent{1 << 30, 1 << 30})
	if !a.Equal(b) || a.GUID == "" || a.Partitions[0].GUID == a.Partitions[1].GUID {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestUEFILacksAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := createDisk(path, testSize, platforms["arm64"]); err != nil {
		t.Fatal(err)
	}
	files := bootFiles{kernel: []byte("kernel"), initrd: []byte("initrd")}.espFiles("")
	if err := installUEFI(path, files); err == nil || !strings.Contains(err.Error(), "boot partition: /EFI/BOOT/BOOTAA64.EFI: it is empty") {
		t.Errorf("%v, want an error that names the file", err)
	}
}

func readFile(t *testing.T, fs filesystem.FileSystem, name string) []byte {
	t.Helper()
	f, err := fs.OpenFile(name, 0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return data
}

// noise is n bytes of which no part is like another, the same in every run.
func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	return data
}
