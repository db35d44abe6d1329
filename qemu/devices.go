package qemu

import "strconv"

// Names of parts, as QMP has them.
const (
	// AgentDevice is the agent's port: the id in the VSERPORT_CHANGE event, which QEMU sends only for ports that have one.
	AgentDevice = "agent0"
	// AgentChardev is the host's side of it: a label of query-chardev.
	AgentChardev = "qga0"
	// agentPort is the name by which the guest agent finds its port.
	agentPort = "org.qemu.guest_agent.0"

	// ToolsDevice is the port of the guest's tools, as AgentDevice is the agent's, and ToolsChardev the host's side of it.
	ToolsDevice  = "toolport0"
	ToolsChardev = "tools0"
	// ToolsPort is the name by which the guest's tools find it.
	ToolsPort = "dev.stackemu.tools.0"
)

// hasVMGenID reports whether the layout has a generation id device; QEMU has it for x86 only.
func (l Layout) hasVMGenID() bool { return l.Arch == AMD64 && !l.Original }

// devices adds the devices of our own layout.
func (a *args) devices(l Layout, w Wiring) {
	disk := opt("if=none,id=disk,format=qcow2,discard=unmap").path("file", w.Disk)
	if w.NoFlush {
		disk.flag("cache=unsafe")
	}
	a.opt("-drive", disk)
	// Without a boot index the firmware may take one of the other disks.
	a.device("virtio-blk-pci,id=disk0,drive=disk,bootindex=0")
	for _, d := range w.readOnlyDisks() {
		a.opt("-drive", opt("if=none,id="+d.id+",format=raw,readonly=on").path("file", d.path))
		a.device("virtio-blk-pci,id=" + d.id + "0,drive=" + d.id)
	}
	a.opt("-netdev", network(w))
	a.device("virtio-net-pci,id=nic0,netdev=net0,romfile=") // nothing boots from the net
	a.monitor(w)
	a.device("virtio-serial-pci,id=serial-bus0")
	a.agent(w)
	// Root ports are where devices can be plugged in later. They have to be in the layout from the start.
	a.device("pcie-root-port,id=hostfs-port,bus=pcie.0,chassis=1")
	a.device("pcie-root-port,id=spare-port1,bus=pcie.0,chassis=2")
	a.device("pcie-root-port,id=spare-port2,bus=pcie.0,chassis=3")
	if l.hasVMGenID() {
		a.opt("-device", opt("vmgenid,id=vmgenid0").set("guid", w.VMGenID))
	}
	a.device("virtio-rng-pci,id=rng0")
	a.port(ToolsDevice, ToolsChardev, w.ToolsFD, ToolsPort)
}

// originalDevices adds the devices as the product's own tools have them.
func (a *args) originalDevices(l Layout, w Wiring) {
	if l.Arch == AMD64 {
		a.add("-boot", "order=c")
	}
	disk := opt("if=virtio,format=qcow2").path("file", w.Disk)
	if w.NoFlush {
		disk.flag("cache=unsafe")
	}
	a.opt("-drive", disk)
	for _, d := range w.readOnlyDisks() {
		a.opt("-drive", opt("if=virtio,format=raw,readonly=on").path("file", d.path))
	}
	a.opt("-netdev", network(w))
	a.device("virtio-net-pci,netdev=net0")
	a.monitor(w)
	a.device("virtio-serial")
	a.agent(w)
	a.device("pcie-root-port,id=hostfs-port,bus=pcie.0,chassis=1")
}

// readOnlyDisk is one of the three disks beside the first.
type readOnlyDisk struct{ id, path string }

// readOnlyDisks returns them in their order, with placeholders for those left out.
func (w Wiring) readOnlyDisks() []readOnlyDisk {
	disks := []readOnlyDisk{{"seed", w.Seed}, {"bundle", w.Bundle}, {"config", w.Config}}
	for i := range disks {
		if disks[i].path == "" {
			disks[i].path = w.Placeholder
		}
	}
	return disks
}

// network returns the user-mode network with its forwards, all of which listen on loopback only.
func network(w Wiring) *option {
	net := opt("user,id=net0")
	for _, f := range w.Forwards {
		net.flag("hostfwd=tcp:127.0.0.1:" + strconv.Itoa(f.HostPort) + "-:" + strconv.Itoa(f.GuestPort))
	}
	return net
}

// monitor adds QMP on an inherited, listening socket.
func (a *args) monitor(w Wiring) {
	if w.MonitorFD != 0 {
		a.add("-chardev", listening("monitor", w.MonitorFD))
		a.add("-mon", "chardev=monitor,mode=control")
	}
}

func (a *args) agent(w Wiring) { a.port(AgentDevice, AgentChardev, w.AgentFD, agentPort) }

// port adds a port of the serial bus, which the guest sees also where nothing is connected to it.
func (a *args) port(id, chardev string, fd int, name string) {
	if fd != 0 {
		a.add("-chardev", listening(chardev, fd))
	} else {
		a.add("-chardev", "null,id="+chardev)
	}
	a.device("virtserialport,id=" + id + ",chardev=" + chardev + ",name=" + name)
}

// listening returns a character device on an inherited socket that listens already.
func listening(id string, fd int) string {
	return "socket,id=" + id + ",fd=" + strconv.Itoa(fd) + ",server=on,wait=off"
}
