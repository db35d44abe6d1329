package qemu

import (
	"errors"
	"fmt"
)

// Wiring is everything on the host that a machine is connected to: paths, ports, descriptors, the accelerator. The guest
// cannot see it, and a snapshot does not hold it.
type Wiring struct {
	Name string // shown in the process list

	Disk string // the writable qcow2
	// Seed, Bundle and Config are read-only raw disks; where a path is "", Placeholder takes its place. The guest sees them
	// at the same addresses either way.
	Seed, Bundle, Config string
	Placeholder          string // 1 MiB of zeros, never written
	// NoFlush ignores the guest's wish to have its disk on stable storage. A guest's data then survives the death of QEMU
	// but not that of the host: for builds and captures, which start over.
	NoFlush bool

	// Firmware is the UEFI code of an arm64 machine, which is only read; see [Binary.FindFirmware]. Its variables are in flash
	// without a file: a snapshot has them, and a boot from the disk begins without any.
	Firmware string

	Forwards []Forward
	Mounts   []HostMount // directories that can be plugged in later

	// MonitorFD, AgentFD and ToolsFD are the numbers that the listening sockets have in QEMU: [FirstFD] for the first of
	// [Command.Files], and so on. 0 leaves the monitor out, or a port unconnected. The tools have one in our own layout only.
	MonitorFD, AgentFD, ToolsFD int
	// Serial is the file that the serial console is appended to, or "" for QEMU's standard output. QEMU makes the file with
	// the permissions of the umask: make it beforehand to have it private.
	Serial string

	Accel Accel
	// VMGenID is the generation id that the guest's kernel reseeds its random pool by: a GUID, or "auto" for a new one.
	VMGenID  string
	Incoming Incoming // what to wait for instead of booting
	Sandbox  bool     // drop what QEMU does not need; for Linux
}

// FirstFD is the number of the first extra descriptor of a child process.
const FirstFD = 3

// Forward lets 127.0.0.1:HostPort lead to GuestPort of the guest, over TCP.
type Forward struct {
	HostPort, GuestPort int
}

// validate says everything that is wrong with the wiring of a layout.
func (w Wiring) validate(l Layout) error {
	var errs []error
	missing := func(what, value string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("no %s", what))
		}
	}
	missing("name", w.Name)
	missing("disk", w.Disk)
	missing("accelerator", string(w.Accel))
	if w.Seed == "" || w.Bundle == "" || w.Config == "" {
		missing("placeholder for the disks that are left out", w.Placeholder)
	}
	if l.Arch == ARM64 {
		missing("firmware", w.Firmware)
	}
	if l.hasVMGenID() {
		missing("VM generation id", w.VMGenID)
	}
	for _, f := range w.Forwards {
		errs = append(errs, f.validate())
	}
	taken := map[int]bool{}
	for _, fd := range []int{w.MonitorFD, w.AgentFD, w.ToolsFD} {
		if fd != 0 && (fd < FirstFD || taken[fd]) {
			errs = append(errs, fmt.Errorf("descriptor %d: want %d or above, each once", fd, FirstFD))
		}
		taken[fd] = true
	}
	errs = append(errs, validateMounts(w.Mounts), w.Incoming.validate())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("wiring: %w", err)
	}
	return nil
}

func (f Forward) validate() error {
	if !validPort(f.HostPort) || !validPort(f.GuestPort) {
		return fmt.Errorf("forward of port %d to %d: want 1 to 65535", f.HostPort, f.GuestPort)
	}
	return nil
}

func validPort(p int) bool { return p > 0 && p < 1<<16 }
