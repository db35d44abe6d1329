// Command bootinit is /init of the image's initial RAM disk.
//
// It promises one thing: to get from the kernel to the root file system in a few milliseconds. The virtual hardware is
// fixed, so there is nothing to detect: it loads the modules that the builder put into /modules in the order of
// /modules/order, waits for the block device whose ext4 label is the one in /root.label, mounts it read-write and becomes
// its /sbin/init. On the way it does what udev, modprobe and a network manager would do in their own processes, each of
// which costs 0.2 s and more under TCG: the modules that are needed later, the agent's port, the fixed addresses of
// QEMU's user network. The kernel replays the journal; there is no fsck. Every failure ends in a line on the console and a
// kernel panic, which the command line (panic=-1) turns into a reset.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// rootWait bounds the wait for the disk; virtio-blk shows it at once, so that a second is already a lot.
const rootWait = 10 * time.Second

func main() {
	fmt.Fprintf(os.Stderr, "bootinit: %v\n", boot())
	os.Exit(1) // PID 1 leaves: the kernel panics and says so
}

// boot does not return unless it fails.
func boot() error {
	for _, m := range [][2]string{{"/dev", "devtmpfs"}, {"/sys", "sysfs"}} {
		if err := os.MkdirAll(m[0], 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m[1], m[0], m[1], unix.MS_NOSUID, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[0], err)
		}
	}
	if err := loadModules("/modules"); err != nil {
		return err
	}
	label, err := os.ReadFile("/root.label")
	if err != nil {
		return err
	}
	disk, err := waitForRoot(string(label), rootWait)
	if err != nil {
		return err
	}
	if err := linkPorts("/sys/class/virtio-ports", "/dev"); err != nil {
		return err
	}
	if err := setUpNetwork("eth0"); err != nil {
		fmt.Fprintf(os.Stderr, "bootinit: %v\n", err) // a machine without a network still boots
	}
	return enter(disk)
}

// loadModules inserts the modules that dir/order names, one per line. A module that the kernel has already is no error.
func loadModules(dir string) error {
	order, err := os.Open(filepath.Join(dir, "order"))
	if err != nil {
		return err
	}
	defer order.Close()
	lines := bufio.NewScanner(order)
	for lines.Scan() {
		if err := loadModule(filepath.Join(dir, lines.Text())); err != nil {
			return err
		}
	}
	return lines.Err()
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return fmt.Errorf("load %s: %w", filepath.Base(path), err)
	}
	return nil
}

func waitForRoot(label string, limit time.Duration) (string, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		names, err := filepath.Glob("/sys/class/block/*")
		if err != nil {
			return "", err
		}
		for _, name := range names {
			device := "/dev/" + filepath.Base(name)
			if found, err := ext4Label(device); err == nil && found == label {
				return device, nil
			}
		}
		if time.Now().After(end) {
			return "", fmt.Errorf("no block device is labelled %s", label)
		}
	}
}

// ext4Label reads the volume label out of the superblock (kernel: Documentation/filesystems/ext4/super.rst): the block
// is at byte 1024, its magic 0xEF53 at 0x38, the label of at most 16 bytes at 0x78.
func ext4Label(device string) (string, error) {
	f, err := os.Open(device)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sb := make([]byte, 1024)
	if _, err := f.ReadAt(sb, 1024); err != nil {
		return "", err
	}
	if sb[0x38] != 0x53 || sb[0x39] != 0xEF {
		return "", fmt.Errorf("%s: no ext4", device)
	}
	return strings.TrimRight(string(sb[0x78:0x88]), "\x00"), nil
}

// linkPorts gives virtio-serial ports the names by which programs look for them (the guest agent does), as udev would:
// there is none in the image.
func linkPorts(sys, dev string) error {
	names, err := filepath.Glob(filepath.Join(sys, "*", "name"))
	if err != nil || len(names) == 0 {
		return err
	}
	links := filepath.Join(dev, "virtio-ports")
	if err := os.MkdirAll(links, 0o755); err != nil {
		return err
	}
	for _, file := range names {
		name, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		port := filepath.Base(filepath.Dir(file))
		if err := os.Symlink("../"+port, filepath.Join(links, strings.TrimSpace(string(name)))); err != nil {
			return err
		}
	}
	return nil
}

// enter makes disk the root and becomes its init. Nothing of the RAM disk is worth freeing: it is a few MB.
func enter(disk string) error {
	const root = "/root"
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	// noinit_itable: the builder zeroed the inode tables already.
	if err := unix.Mount(disk, root, "ext4", unix.MS_NOATIME, "noinit_itable"); err != nil {
		return fmt.Errorf("mount %s: %w", disk, err)
	}
	for _, dir := range []string{"/dev", "/sys"} {
		if err := unix.Mount(dir, root+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return fmt.Errorf("run /sbin/init: %w", unix.Exec("/sbin/init", []string{"/sbin/init"}, os.Environ()))
}
