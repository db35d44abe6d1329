package qemu

import (
	"fmt"
	"strconv"
)

// sandbox denies what a machine has no use for: old system calls, more privileges, other programs, other priorities.
const sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

// Argv returns QEMU's arguments for the layout, without the program's name. It is pure: the same input gives the same
// arguments, and nothing on the host is looked at.
//
// The order is part of the layout, for it decides the devices' addresses. New devices go to the end.
func (l Layout) Argv(w Wiring) ([]string, error) {
	if err := l.Validate(); err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	if err := w.validate(l); err != nil {
		return nil, fmt.Errorf("qemu: %w", err)
	}
	var a args
	a.process(w)
	a.board(l, w)
	if l.Original {
		a.originalDevices(l, w)
	} else {
		a.devices(l, w)
	}
	a.mounts(w)
	a.incoming(w)
	return a, nil
}

// args is a command line under construction.
type args []string

func (a *args) add(name, value string)     { *a = append(*a, name, value) }
func (a *args) opt(name string, o *option) { a.add(name, o.String()) }
func (a *args) device(name string)         { a.add("-device", name) }

// process adds what concerns the process and not the guest.
func (a *args) process(w Wiring) {
	a.opt("-name", opt("guest="+escape(w.Name)).flag("debug-threads=on"))
	*a = append(*a, "-nodefaults", "-no-user-config")
	a.add("-display", "none")
	if w.Sandbox {
		a.add("-sandbox", sandbox)
	}
}

// board adds machine, firmware, CPUs, RAM and the serial console.
func (a *args) board(l Layout, w Wiring) {
	machine := opt(l.Machine)
	if l.Arch == ARM64 && !l.Original {
		machine.flag("gic-version=max") // KVM and HVF offer different ones
	}
	if w.Incoming == IncomingSession {
		machine.flag("suppress-vmdesc=on") // such a file lacks the description that others end with
	}
	machine.flag("dump-guest-core=off") // the guest's memory has secrets, and its size
	a.opt("-machine", machine.flag("memory-backend=ram0"))
	a.add("-accel", w.Accel.option())
	if l.Arch == ARM64 {
		a.opt("-drive", opt("if=pflash,unit=0,format=raw,readonly=on").path("file", w.Firmware))
	}
	a.add("-cpu", l.CPU)
	a.add("-smp", strconv.Itoa(l.CPUs))
	a.add("-m", strconv.Itoa(l.RAMMiB)+"M")
	a.opt("-object", ram(l))
	if w.Serial == "" {
		a.add("-chardev", "stdio,id=serial0,signal=off")
	} else {
		a.opt("-chardev", opt("file,id=serial0").path("path", w.Serial).flag("append=on"))
	}
	a.add("-serial", "chardev:serial0")
}

// ram returns the backend of the guest's memory. It always has the same id, for a snapshot finds it by that.
//
// A private file is opened for reading only, so that nothing can ever write into a snapshot; rom=off is what makes the
// guest's memory writable all the same (QEMU 8.2 and later).
func ram(l Layout) *option {
	size := strconv.Itoa(l.RAMMiB) + "M"
	if l.RAMFile == "" {
		return opt("memory-backend-ram,id=ram0,size=" + size)
	}
	file := opt("memory-backend-file,id=ram0,size="+size).path("mem-path", l.RAMFile)
	if l.RAMShare {
		return file.flag("share=on")
	}
	return file.flag("share=off", "readonly=on", "rom=off")
}
