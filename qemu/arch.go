package qemu

import (
	"fmt"
	"runtime"
)

// Arch is the architecture of a guest, in Go's words.
type Arch string

// The architectures that images exist for.
const (
	AMD64 Arch = "amd64"
	ARM64 Arch = "arm64"
)

// HostArch is the architecture of this machine, which an accelerator needs the guest to share.
func HostArch() Arch { return Arch(runtime.GOARCH) }

// archTraits is what QEMU calls things on one architecture.
type archTraits struct {
	program string // QEMU's system emulator
	env     string // names another program in its place
	machine string // the oldest versioned machine type that we accept
	family  string // what the machine's versioned names begin with
	pkg     string // Debian's package of the program
}

var traits = map[Arch]archTraits{
	AMD64: {"qemu-system-x86_64", "QEMU_SYSTEM_X86_64", "pc-q35-9.0", "pc-q35-", "qemu-system-x86"},
	ARM64: {"qemu-system-aarch64", "QEMU_SYSTEM_AARCH64", "virt-9.0", "virt-", "qemu-system-arm"},
}

// traits returns what the architecture is called, or says which there are.
func (a Arch) traits() (archTraits, error) {
	t, ok := traits[a]
	if !ok {
		return archTraits{}, fmt.Errorf("unknown architecture %q: use %s or %s", a, AMD64, ARM64)
	}
	return t, nil
}
