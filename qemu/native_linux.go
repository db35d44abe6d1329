package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// kvmDevice is what QEMU opens for KVM.
const kvmDevice = "/dev/kvm"

// nativeAccel returns the accelerator that is worth a try for guests of an architecture, or why there is none although
// there could be.
func nativeAccel(arch Arch) (Accel, string) {
	if arch != HostArch() {
		return "", fmt.Sprintf("%s guests run translated on an %s host (%s)", arch, HostArch(), TCG)
	}
	f, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	if err == nil {
		f.Close()
		return KVM, ""
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Sprintf("%s is there but not for this user (join the group kvm); using %s, which is 10 to 20 times slower",
			kvmDevice, TCG)
	}
	return "", ""
}

// nativeName is what users know an accelerator by.
func nativeName(Accel) string { return kvmDevice }
