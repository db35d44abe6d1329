package guest

import (
	"errors"
	"fmt"
	"os"

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
