package qemu

import "fmt"

// nativeAccel returns the accelerator that is worth a try for guests of an architecture, or why there is none although
// there could be.
func nativeAccel(arch Arch) (Accel, string) {
	if arch != HostArch() {
		return "", fmt.Sprintf("%s guests run translated on an %s host (%s)", arch, HostArch(), TCG)
	}
	return HVF, ""
}

// nativeName is what users know an accelerator by.
func nativeName(Accel) string { return "Hypervisor.framework" }
