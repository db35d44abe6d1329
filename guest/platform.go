package guest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"
)

// platform is what an architecture has of its own in an image, and what making that takes on the host.
type platform struct {
	packages []string          // of the VM, beside vmPackages
	modules  []string          // of the initial RAM disk, beside initrdModules, before those that need them
	command  string            // of the kernel, before commandLine
	uefi     bool              // boots by UEFI from a partition of its own, and not by a BIOS from the gap behind the MBR
	programs map[string]string // of the host, with the Debian package of each, beside requiredPrograms
	files    map[string]string // of the host, likewise
}

// platforms are the architectures that images can be built of.
//   - console: ttyS0 and ttyAMA0 are the contract's.
//   - no_timer_check: on a loaded host the check finds the emulated timer broken, and the kernel panics (seen under TCG).
//   - hpet=disable: QEMU's goes on ticking 250 times a second when the kernel has long done with it, and so wakes the host as often.
//   - tsc=reliable: without the HPET the kernel compares with ticks, of which a translated guest loses some, and takes a slow clock.
//   - 9p, virtio-blk and the rest are modules on both; the power button is built in on arm64.
var platforms = map[string]platform{
	"amd64": {
		packages: []string{"linux-image-amd64"},
		modules:  []string{"arch/x86/crypto/crc32c-intel", "drivers/acpi/button"},
		command:  "console=ttyS0,115200n8 no_timer_check hpet=disable tsc=reliable",
		programs: map[string]string{"grub-mkimage": "grub-common"},
		files:    map[string]string{grubBootImage: "grub-pc-bin"},
	},
	"arm64": {
		packages: []string{"linux-image-arm64", "systemd-boot-efi"},
		command:  "console=ttyAMA0",
		uefi:     true,
	},
}

// platformOf returns what can be built on a machine like this one, or why it cannot.
func platformOf(arch, goos, goarch string) (platform, error) {
	p, ok := platforms[arch]
	switch {
	case goos != "linux":
		return p, fmt.Errorf("an image cannot be built on %s, only on Linux (Debian, Ubuntu); pull a published one, or copy one from there", goos)
	case !ok:
		return p, fmt.Errorf("there are no images of %s: use %v", arch, slices.Sorted(maps.Keys(platforms)))
	case arch == "amd64" && goarch != "amd64": // the boot loader for it has no package elsewhere
		return p, fmt.Errorf("an image of amd64 cannot be built on %s, only on amd64; pull a published one, or copy one from there", goarch)
	}
	return p, nil
}

// missing names everything that has to be installed, at once.
func (p platform) missing() error {
	programs := maps.Clone(requiredPrograms)
	maps.Copy(programs, p.programs)
	var errs []error
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		if _, err := lookProgram(program); err != nil {
			errs = append(errs, fmt.Errorf("%s is missing: install the package %s", program, programs[program]))
		}
	}
	for _, file := range slices.Sorted(maps.Keys(p.files)) {
		if _, err := os.Stat(file); err != nil {
			errs = append(errs, fmt.Errorf("%s is missing: install the package %s", file, p.files[file]))
		}
	}
	return errors.Join(errs...)
}

// slowToInstall are files of the machine's packages that their scripts do without, and that take minutes where programs are
// translated: the maker of Python's bytecode, which only the first boot would read. (Its certificates would be others, but Python's
// requests cannot be imported without them.)
func slowToInstall(arch string) []string {
	if arch == runtime.GOARCH {
		return nil
	}
	return []string{"/usr/bin/py3compile"}
}

// emulatorLimit bounds the run of a program that does nothing.
const emulatorLimit = time.Minute

// checkEmulation sees that programs of a foreign architecture run here: packages of Debian run theirs when they are
// configured. mmdebstrap asks the same program, but says less about the cure.
func checkEmulation(ctx context.Context, arch string) error {
	if arch == runtime.GOARCH {
		return nil
	}
	if _, err := lookProgram("arch-test"); err != nil {
		return errors.New("arch-test is missing: install the packages arch-test and qemu-user-static, or run scripts/setup.sh --arch " + arch)
	}
	ctx, cancel := context.WithTimeout(ctx, emulatorLimit)
	defer cancel()
	err := command(ctx, "arch-test", arch).Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("programs of %s do not run here: install the package qemu-user-static, and make the kernel know it, "+
			"as root, with `systemctl restart systemd-binfmt` (where there is no systemd: scripts/setup.sh --arch %s)", arch, arch)
	}
	return err
}
