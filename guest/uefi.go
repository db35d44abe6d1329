package guest

import (
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// espExtent is the partition that UEFI boots from. It is large only so that FAT32 gets clusters of 4 KiB, of which the firmware
// has fewer to count than of the 512 bytes of a smaller one; what is not used of it costs nothing in the image.
var espExtent = extent{partitionStart, 288 << 20}

// backupTableSize is left free at the disk's end for the second copy of the partition table.
const backupTableSize = 1 << 20

// uefiTable has the partition with the boot loader before that of the root. The GUIDs are constant: the same inputs give the
// same disk, and a machine never has two of these disks.
func uefiTable(root extent) *gpt.Table {
	partition := func(index int, kind gpt.Type, name, guid string, at extent) *gpt.Partition {
		return &gpt.Partition{Index: index, Type: kind, Name: name, GUID: guid,
			Start: uint64(at.start / sectorSize), End: uint64(at.end()/sectorSize) - 1, Size: uint64(at.size)}
	}
	return &gpt.Table{
		LogicalSectorSize: sectorSize, PhysicalSectorSize: sectorSize, ProtectiveMBR: true,
		GUID: "53544143-4B45-4D55-8000-000000000000",
		Partitions: []*gpt.Partition{
			partition(1, gpt.EFISystemPartition, "boot", "53544143-4B45-4D55-8000-000000000001", espExtent),
			partition(2, gpt.LinuxFilesystem, "root", "53544143-4B45-4D55-8000-000000000002", root),
		},
	}
}

// bootFiles is what a boot loader loads, and the loader for UEFI.
type bootFiles struct{ kernel, initrd, loader []byte }

// bootFile is a file of the partition that UEFI boots from.
type bootFile struct {
	path string
	data []byte
}

// loaderConfig is systemd-boot's: no menu, no delay, nothing to edit, nothing that it finds by itself.
const loaderConfig = "default stack.conf\ntimeout 0\neditor no\nauto-entries no\nauto-firmware no\n"

// loaderEntry is the one thing to boot (Boot Loader Specification, type 1).
const loaderEntry = "title stack-emulator\nlinux /vmlinuz\ninitrd /initrd.img\noptions %s\n"

// espFiles are the files of the partition. The loader has the name that every arm64 firmware looks for on a disk that it has
// no boot variables for.
func (f bootFiles) espFiles(commandLine string) []bootFile {
	return []bootFile{
		{"/EFI/BOOT/BOOTAA64.EFI", f.loader},
		{"/loader/loader.conf", []byte(loaderConfig)},
		{"/loader/entries/stack.conf", fmt.Appendf(nil, loaderEntry, commandLine)},
		{"/vmlinuz", f.kernel},
		{"/initrd.img", f.initrd},
	}
}

// installUEFI makes the file system of disk's first partition, with files in it.
func installUEFI(disk string, files []bootFile) (err error) {
	storage, err := file.OpenFromPathWithExclusive(disk, false, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, storage.Close()) }()
	esp, err := fat32.Create(storage, espExtent.size, espExtent.start, sectorSize, "STACK-BOOT", true)
	if err != nil {
		return fmt.Errorf("boot partition: %w", err)
	}
	for _, f := range files {
		if err := writeBootFile(esp, f); err != nil {
			return fmt.Errorf("boot partition: %s: %w", f.path, err)
		}
	}
	return nil
}

func writeBootFile(esp *fat32.FileSystem, f bootFile) error {
	if len(f.data) == 0 {
		return errors.New("it is empty") // its package has changed
	}
	if err := esp.Mkdir(path.Dir(f.path)); err != nil {
		return err
	}
	out, err := esp.OpenFile(f.path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return err
	}
	_, err = out.Write(f.data)
	return errors.Join(err, out.Close())
}
