package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/diskfs/go-diskfs/partition/mbr"
)

// extent is a part of the disk, in bytes.
type extent struct{ start, size int64 }

// end is where the next part may begin.
func (e extent) end() int64 { return e.start + e.size }

// rootExtent is where the root file system is on a disk of size bytes.
func (p platform) rootExtent(size int64) extent {
	if p.uefi {
		esp := espExtent
		return extent{esp.end(), size - esp.end() - backupTableSize}
	}
	return extent{partitionStart, size - partitionStart}
}

// createDisk makes a sparse raw disk of size bytes that platform boots from: see biosTable and uefiTable.
func createDisk(path string, size int64, p platform) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return err
	}
	if p.uefi {
		return uefiTable(p.rootExtent(size)).Write(f, size)
	}
	return biosTable(p.rootExtent(size)).Write(f, size)
}

// biosTable has one active Linux partition.
func biosTable(root extent) *mbr.Table {
	return &mbr.Table{
		LogicalSectorSize:  sectorSize,
		PhysicalSectorSize: sectorSize,
		Partitions: []*mbr.Partition{{
			Index:    1,
			Bootable: true,
			Type:     mbr.Linux,
			Start:    uint32(root.start / sectorSize),
			Size:     uint32(root.size / sectorSize),
		}},
	}
}

// fileSystemArgs is the argument list of mke2fs for the root file system in disk's partition, filled from the directory
// root. Features that GRUB 2.06 does not read are off; the inode tables are zeroed now, so that no kernel thread does it
// on every user's machine; no blocks are reserved for root.
func fileSystemArgs(disk, root, label string, at extent) []string {
	return []string{
		"-q", "-F", "-t", "ext4", "-L", label, "-m", "0", "-b", "4096",
		"-O", "^metadata_csum_seed,^orphan_file,^resize_inode",
		"-N", "262144", "-J", "size=32",
		"-E", fmt.Sprintf("offset=%d,lazy_itable_init=0,lazy_journal_init=0,nodiscard", at.start),
		"-d", root, disk, fmt.Sprintf("%dk", at.size/1024),
	}
}

// makeDisk turns rootDir into a disk that boots by itself, and removes rootDir.
func (b *builder) makeDisk(ctx context.Context, disk string) error {
	size := b.sizeBytes()
	if err := createDisk(disk, size, b.platform); err != nil {
		return err
	}
	args := fileSystemArgs(disk, b.rootDir(), rootLabel, b.platform.rootExtent(size))
	mkfs := inNamespace(isRoot(), append([]string{"mke2fs"}, args...)...)
	if err := b.run(ctx, mkfs[0], mkfs[1:]...); err != nil {
		return err
	}
	if err := b.removeRoot(); err != nil {
		return err
	}
	if b.platform.uefi {
		return installUEFI(disk, b.boot.espFiles(b.platform.kernelCommandLine()))
	}
	return b.installBIOS(ctx, disk)
}

// checkDisk checks the file system and gives the blocks that the first boot has freed back to the file: they would be
// compressed and published otherwise.
func (b *builder) checkDisk(ctx context.Context, disk string) error {
	err := b.run(ctx, "e2fsck", "-f", "-y", "-E", "discard", fmt.Sprintf("%s?offset=%d", disk, b.platform.rootExtent(b.sizeBytes()).start))
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // something was corrected, and now all is well
	}
	return err
}
