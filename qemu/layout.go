package qemu

import (
	"errors"
	"fmt"
	"strings"
)

// Layout is the exact virtual hardware of a machine: all that the guest sees and that a snapshot has to find again. It is
// plain data; where things are on the host is the [Wiring]'s. The devices and their order follow from Arch and Original.
type Layout struct {
	Arch    Arch   `json:"arch"`
	Machine string `json:"machine"` // a versioned machine type, such as pc-q35-9.0: "q35" means another one after an upgrade
	CPU     string `json:"cpu"`     // for -cpu
	CPUs    int    `json:"cpus"`    // virtual CPUs
	RAMMiB  int    `json:"ramMiB"`

	// Original gives the devices and the order of images that were built elsewhere, without what is ours.
	Original bool `json:"original,omitempty"`

	// RAMFile keeps the guest's RAM in a file of that path; "" keeps it in anonymous memory. The guest cannot tell, so that
	// both are the same layout.
	RAMFile string `json:"-"`
	// RAMShare makes the guest's writes reach RAMFile, which QEMU makes if it is not there. Without it they stay in a private
	// copy of the page, and the file is opened for reading only.
	RAMShare bool `json:"-"`
}

// Limits of a layout. They catch slips; whether the host can bear it is the host's.
const (
	minRAMMiB = 128
	maxRAMMiB = 1 << 20
	maxCPUs   = 255 // of the q35 machine without an IOMMU
)

// Default returns our own layout for an architecture. The machine type is the oldest that we accept, so that the same
// layout runs on every supported QEMU.
func Default(arch Arch, ramMiB, cpus int) Layout {
	return Layout{Arch: arch, Machine: traits[arch].machine, CPU: "max", CPUs: cpus, RAMMiB: ramMiB}
}

// OriginalLayout returns the layout of images and snapshots that the product's own tools made: an unversioned machine
// type, and the devices and the order of those tools.
func OriginalLayout(arch Arch, ramMiB, cpus int) Layout {
	machine := map[Arch]string{AMD64: "q35", ARM64: "virt"}[arch]
	return Layout{Arch: arch, Machine: machine, CPU: "max", CPUs: cpus, RAMMiB: ramMiB, Original: true}
}

// Under returns the layout with the CPU model that guests run on under an accelerator. A native one has the host's CPU and
// nothing else. Translated arm64 is an ordinary core of 2018: on "max", with every extension that QEMU can emulate, a boot
// takes twice as long, and Node's compiler has been seen to make code that crashes (docs/decisions/0019).
func (l Layout) Under(accel Accel) Layout {
	if l.Arch == ARM64 && accel == TCG {
		l.CPU = "cortex-a76"
	}
	return l
}

// Validate says everything that is wrong with a layout.
func (l Layout) Validate() error {
	_, archErr := l.Arch.traits()
	errs := []error{archErr}
	if l.Machine == "" || strings.ContainsRune(l.Machine, ',') {
		errs = append(errs, fmt.Errorf("machine %q: want the name of a machine type", l.Machine))
	}
	if l.CPU == "" {
		errs = append(errs, errors.New("no CPU model"))
	}
	if l.CPUs < 1 || l.CPUs > maxCPUs {
		errs = append(errs, fmt.Errorf("%d CPUs: want 1 to %d", l.CPUs, maxCPUs))
	}
	if l.RAMMiB < minRAMMiB || l.RAMMiB > maxRAMMiB {
		errs = append(errs, fmt.Errorf("%d MiB of RAM: want %d to %d", l.RAMMiB, minRAMMiB, maxRAMMiB))
	}
	if l.RAMShare && l.RAMFile == "" {
		errs = append(errs, errors.New("shared RAM needs a file"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	return nil
}
