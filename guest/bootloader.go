package guest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Where things are on the disk, in bytes. The gap between the MBR and the first partition belongs to GRUB's core image.
const (
	sectorSize     = 512
	partitionStart = 1 << 20 // first partition at 1 MiB, as every partitioning tool aligns it
	bootCodeSize   = 440     // of the MBR; the disk signature and the partition table follow
	coreStart      = sectorSize
	coreMax        = partitionStart - coreStart
)

// Offsets inside of GRUB's images (grub: include/grub/i386/pc/boot.h). boot.img loads the sector at kernelSector,
// which is the first of core.img; that sector ends in a list of blocks, of which the first entry is all that there is.
const (
	kernelSectorOffset = 0x5c            // 8 bytes: number of core.img's first sector
	blockListOffset    = sectorSize - 12 // 8 bytes: sector after the first; 2: how many; 2: load segment
	blockListLength    = blockListOffset + 8
)

// grubBootImage is GRUB's boot sector for BIOS machines, of the package grub-pc-bin.
const grubBootImage = "/usr/lib/grub/i386-pc/boot.img"

// grubConfig is built into the core image and run by GRUB's rescue parser: no menu, no delay, no file to find. It enters the kernel by
// Linux's 16-bit protocol. Before GRUB enters one by the newer protocol it moves all the room that the kernel asks for, 59 MB, from 1 to
// 16 MiB, byte by byte: 2.7 s under TCG (docs/decisions/0022-cold-boot.md).
const grubConfig = `set root=(hd0,msdos1)
linux16 /boot/vmlinuz %s
initrd16 /boot/initrd.img
boot
`

// grubModules are what grubConfig needs of GRUB; normal.mod (menus, scripts) is left out on purpose.
var grubModules = []string{"biosdisk", "part_msdos", "ext2", "linux16", "boot"}

// commandLine is what every kernel is started with, after what its platform asks for.
//   - quiet, because each character that a guest prints costs two exits to the host.
//   - lsm: without BPF, for which systemd would load programs (1.5 s under TCG), and AppArmor, which has nothing to confine.
//   - cryptomgr.notests: the kernel's crypto is not what is tested here (0.5 s).
//   - initcall_blacklist: certificates that would only check signatures of modules, which ours do not have, and keys that
//     nobody makes (0.4 s).
//   - init_on_alloc: whoever may read the kernel's memory here is welcome to it. rcu_expedited: nobody waits for grace periods, of which
//     mounts and modules ask for many (together 0.7 s).
//   - psi, cgroup.memory: nobody asks how long tasks wait, or how much of the kernel's memory is whose; both cost something at each switch
//     of tasks, and each buffer.
//   - net.ifnames: the card is eth0. panic: reset instead of hanging.
const commandLine = "quiet loglevel=4 lsm=yama cryptomgr.notests " +
	"initcall_blacklist=load_system_certificate_list,init_encrypted mitigations=off init_on_alloc=0 rcupdate.rcu_expedited=1 " +
	"psi=0 cgroup.memory=nokmem,nosocket net.ifnames=0 panic=-1"

func (p platform) kernelCommandLine() string { return p.command + " " + commandLine }

// grubImageArgs is the argument list of grub-mkimage for BIOS machines.
func grubImageArgs(config, output string) []string {
	return append([]string{"--format=i386-pc", "--prefix=(hd0,msdos1)/boot", "--compression=none",
		"--config=" + config, "--output=" + output}, grubModules...)
}

// installBIOS makes the disk bootable by a BIOS.
func (b *builder) installBIOS(ctx context.Context, disk string) error {
	boot, err := os.ReadFile(grubBootImage)
	if err != nil {
		return err
	}
	core, err := buildCore(ctx, b.run, b.work, b.platform.kernelCommandLine())
	if err != nil {
		return err
	}
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(installGRUB(f, boot, core), f.Close())
}

// buildCore makes GRUB's core image in dir and returns it.
func buildCore(ctx context.Context, run runner, dir, commandLine string) ([]byte, error) {
	config, core := filepath.Join(dir, "grub.cfg"), filepath.Join(dir, "core.img")
	if err := os.WriteFile(config, fmt.Appendf(nil, grubConfig, commandLine), 0o600); err != nil {
		return nil, err
	}
	if err := run(ctx, "grub-mkimage", grubImageArgs(config, core)...); err != nil {
		return nil, err
	}
	return os.ReadFile(core)
}

// installGRUB writes boot (GRUB's boot.img) and core into the MBR and the gap behind it, and keeps the partition table.
func installGRUB(disk io.WriterAt, boot, core []byte) error {
	if len(boot) != sectorSize {
		return fmt.Errorf("boot.img has %d bytes, want %d", len(boot), sectorSize)
	}
	if len(core) <= sectorSize || len(core) > coreMax {
		return fmt.Errorf("core image has %d bytes, want more than %d and at most %d", len(core), sectorSize, coreMax)
	}
	boot, core = append([]byte(nil), boot...), append([]byte(nil), core...)
	binary.LittleEndian.PutUint64(boot[kernelSectorOffset:], coreStart/sectorSize)
	binary.LittleEndian.PutUint64(core[blockListOffset:], coreStart/sectorSize+1)
	rest := (len(core)+sectorSize-1)/sectorSize - 1
	binary.LittleEndian.PutUint16(core[blockListLength:], uint16(rest))

	if _, err := disk.WriteAt(boot[:bootCodeSize], 0); err != nil {
		return err
	}
	_, err := disk.WriteAt(core, coreStart)
	return err
}
