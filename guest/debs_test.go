package guest

import (
	"slices"
	"testing"
)

func TestRemovablePackages(t *testing.T) {
	const status = `Package: systemd
Status: install ok installed
Depends: libc6 (>= 2.41), mount | other

Package: libc6
Architecture: amd64

Package: mount
Pre-Depends: libmount1:any

Package: libmount1

Package: linux-image
Depends: initramfs-tools (>= 1) | linux-initramfs-tool, kmod

Package: kmod-new
Provides: kmod (= 3)

Package: initramfs-tools
Depends: udev, libc6

Package: udev

Package: cloud-init
Depends: python3, libc6

Package: python3
Description: a language
 with a second line: Depends: systemd

Package: bash
Essential: yes
Depends: libtinfo6

Package: libtinfo6

Package: mawk
Priority: required
`
	got := removablePackages(status, []string{"systemd", "linux-image", "cloud-init"})
	if want := []string{"cloud-init", "initramfs-tools", "python3", "udev"}; !slices.Equal(got, want) {
		t.Errorf("removable: %q, want %q", got, want)
	}
}
