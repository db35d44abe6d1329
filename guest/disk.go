package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/diskfs/go-diskfs/partition/mbr"
)

// createDisk makes a sparse raw disk of size bytes with one active Linux partition from 1 MiB to the end.
func createDisk(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return err
	}
	table := &mbr.Table{
		LogicalSectorSize:  sectorSize,
		PhysicalSectorSize: sectorSize,
		Partitions: []*mbr.Partition{{
			Index:    1,
			Bootable: true,
			Type:     mbr.Linux,
			Start:    partitionStart / sectorSize,
			Size:     uint32((size - partitionStart) / sectorSize),
		}},
	}
	return table.Write(f, size)
}

// fileSystemArgs is the argument list of mke2fs for the root file system in disk's partition, filled from the directory
// root. Features that GRUB 2.06 does not read are off; the inode tables are zeroed now, so that no kernel thread does it
// on every user's machine; no blocks are reserved for root.
func fileSystemArgs(disk, root, label string, size int64) []string {
	return []string{
		"-q", "-F", "-t", "ext4", "-L", label, "-m", "0", "-b", "4096",
		"-O", "^metadata_csum_seed,^orphan_file,^resize_inode",
		"-N", "262144", "-J", "size=32",
		"-E", fmt.Sprintf("offset=%d,lazy_itable_init=0,lazy_journal_init=0,nodiscard", partitionStart),
		"-d", root, disk, fmt.Sprintf("%dk", (size-partitionStart)/1024),
	}
}

// makeDisk turns rootDir into a disk that boots by itself, and removes rootDir.
func (b *builder) makeDisk(ctx context.Context, disk string) error {
	size := b.sizeBytes()
	if err := createDisk(disk, size); err != nil {
		return err
	}
	mkfs := inNamespace(isRoot(), append([]string{"mke2fs"}, fileSystemArgs(disk, b.rootDir(), rootLabel, size)...)...)
	if err := b.run(ctx, mkfs[0], mkfs[1:]...); err != nil {
		return err
	}
	if err := b.removeRoot(); err != nil {
		return err
	}
	boot, err := os.ReadFile(grubBootImage)
	if err != nil {
		return err
	}
	core, err := buildCore(ctx, b.run, b.work)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(installGRUB(f, boot, core), f.Close())
}

// checkDisk checks the file system and gives the blocks that the first boot has freed back to the file: they would be
// compressed and published otherwise.
func (b *builder) checkDisk(ctx context.Context, disk string) error {
	err := b.run(ctx, "e2fsck", "-f", "-y", "-E", "discard", fmt.Sprintf("%s?offset=%d", disk, partitionStart))
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // something was corrected, and now all is well
	}
	return err
}
