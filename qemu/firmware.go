package qemu

import (
	"fmt"
	"os"
	"path/filepath"
)

// FindFirmware returns the UEFI images that an arm64 machine boots with: the code, and a template of the variables that
// every instance needs a copy of. It looks where distributions and Homebrew put them.
func (b *Binary) FindFirmware() (code, vars string, err error) {
	prefix := filepath.Dir(filepath.Dir(b.Path))
	resolved := prefix
	if path, err := filepath.EvalSymlinks(b.Path); err == nil { // Homebrew links into its cellar
		resolved = filepath.Dir(filepath.Dir(path))
	}
	candidates := []struct{ code, vars string }{
		{"share/AAVMF/AAVMF_CODE.no-secboot.fd", "share/AAVMF/AAVMF_VARS.fd"},
		{"share/AAVMF/AAVMF_CODE.fd", "share/AAVMF/AAVMF_VARS.fd"},
		{"share/edk2/aarch64/QEMU_EFI-pflash.raw", "share/edk2/aarch64/vars-template-pflash.raw"},
		{"share/qemu/edk2-aarch64-code.fd", "share/qemu/edk2-arm-vars.fd"},
	}
	for _, dir := range []string{prefix, resolved, "/usr"} {
		for _, c := range candidates {
			code, vars := filepath.Join(dir, c.code), filepath.Join(dir, c.vars)
			if isFile(code) && isFile(vars) {
				return code, vars, nil
			}
		}
	}
	return "", "", fmt.Errorf("qemu: no UEFI firmware for arm64 guests; %s", cure("qemu-efi-aarch64"))
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
