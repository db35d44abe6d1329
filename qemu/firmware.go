package qemu

import (
	"fmt"
	"os"
	"path/filepath"
)

// firmwareFiles are where UEFI for arm64 is below an installation's prefix. Each is an image of the whole flash.
var firmwareFiles = []string{
	"share/AAVMF/AAVMF_CODE.no-secboot.fd",          // Debian 13, Ubuntu: secure boot asks for keys that nobody has
	"share/AAVMF/AAVMF_CODE.fd",                     // Debian 12
	"share/edk2/aarch64/QEMU_EFI-silent-pflash.raw", // Fedora: without debug messages on the console
	"share/edk2/aarch64/QEMU_EFI-pflash.raw",
	"share/edk2/aarch64/QEMU_CODE.fd",   // Arch
	"share/qemu/edk2-aarch64-code.fd",   // Homebrew, and QEMU's own installation
	"share/qemu/aavmf-aarch64-code.bin", // openSUSE
}

// FindFirmware returns the UEFI image that an arm64 machine boots with. It looks where distributions and Homebrew put it,
// first beside QEMU itself.
func (b *Binary) FindFirmware() (string, error) {
	prefixes := []string{prefixOf(b.Path)}
	if path, err := filepath.EvalSymlinks(b.Path); err == nil { // Homebrew links into its cellar
		prefixes = append(prefixes, prefixOf(path))
	}
	return findFirmware(append(prefixes, "/usr"))
}

// prefixOf turns /usr/bin/qemu into /usr.
func prefixOf(program string) string { return filepath.Dir(filepath.Dir(program)) }

func findFirmware(prefixes []string) (string, error) {
	for _, prefix := range prefixes {
		for _, name := range firmwareFiles {
			path := filepath.Join(prefix, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("qemu: no UEFI firmware for arm64 guests; %s", cure("qemu-efi-aarch64"))
}
