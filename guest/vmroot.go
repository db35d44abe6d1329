package guest

import (
	"archive/tar"
	"embed"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/stackemu/stackemu/guest/tools/links"
)

// rootfs mirrors the root of the VM: configuration and units.
//
//go:embed all:rootfs
var rootfs embed.FS

// dropped are paths of Debian's packages that are left out of the VM: what would run at each boot for hardware and
// users that this VM does not have. A slash at the end means everything below. Each costs a process, and under TCG a
// process costs 0.1 s.
var dropped = []string{
	"/usr/lib/systemd/system-generators/systemd-",
	"/usr/lib/systemd/system-environment-generators/",
	"/usr/lib/systemd/system/getty.target.wants/",
	"/usr/lib/systemd/system/local-fs.target.wants/",
	"/usr/lib/systemd/system/multi-user.target.wants/",
	"/usr/lib/systemd/system/sockets.target.wants/",
	"/usr/lib/systemd/system/sysinit.target.wants/",
	"/usr/lib/systemd/system/timers.target.wants/",
	"/usr/lib/systemd/system/runlevel",
	"/usr/lib/udev/hwdb.d/",
	"/etc/init.d/", "/etc/rc", "/etc/cron.", "/etc/apt/",
	"/etc/systemd/system/getty.target.wants/",
	"/etc/systemd/system/multi-user.target.wants/",
	"/etc/systemd/system/paths.target.wants/",
	"/etc/systemd/system/sockets.target.wants/",
	"/etc/systemd/system/sysinit.target.wants/",
	"/etc/systemd/system/timers.target.wants/",
	"/var/cache/", "/var/log/", "/var/lib/apt/", "/usr/share/perl5/", "/usr/share/pixmaps/",
	// Of docker's packages: containerd's command line and its load test, the shim of another age, the proxy of a bridge.
	"/usr/bin/ctr", "/usr/bin/containerd-stress", "/usr/bin/containerd-shim-runc-v1", "/usr/sbin/docker-proxy",
}

// started are the units of Debian's packages that do run, by the target that wants them.
var started = map[string]string{
	"systemd-journald.socket":         "sockets.target",
	"systemd-journald-dev-log.socket": "sockets.target",
	"systemd-journald.service":        "sysinit.target",
}

// enabled are our units that every boot starts. Those of the stack are enabled by the first boot, when they are ready to.
var enabled = []string{"stack-power.service", "stack-tools.service", "qemu-guest-agent.service"}

// keepInVM is the filter for the root that mmdebstrap made.
func (k *kernelParts) keepInVM(h *tar.Header, data io.Reader) (bool, error) {
	p := path.Clean("/" + h.Name)
	if isDevice(h) {
		return false, nil
	}
	for _, prefix := range dropped {
		if strings.HasPrefix(p, prefix) {
			return false, nil
		}
	}
	return k.keep(h, data)
}

// vmEntries are the files that we add to the VM's root.
func vmEntries(stackguest []byte) ([]entry, error) {
	entries, err := entriesOf(rootfs, "rootfs", func(fs.DirEntry) fs.FileMode { return 0o644 })
	if err != nil {
		return nil, err
	}
	const units = "/etc/systemd/system/"
	entries = append(entries,
		entry{Path: "/etc/machine-id", Mode: 0o444}, // empty: each boot gets one of its own, and is not a first boot
		entry{Path: units + "tmp.mount", Link: "/dev/null"},
		entry{Path: "/host", Mode: fs.ModeDir | 0o755},
		entry{Path: "/var/lib/stack-auth", Mode: fs.ModeDir | 0o700},
		entry{Path: "/usr/local/bin/stackguest", Mode: 0o755, Data: stackguest},
		entry{Path: units + "default.target", Link: "/usr/lib/systemd/system/multi-user.target"},
	)
	for _, name := range links.All {
		entries = append(entries, entry{Path: "/usr/local/bin/" + name, Link: "stackguest"})
	}
	for _, unit := range slices.Sorted(maps.Keys(started)) {
		entries = append(entries, entry{Path: units + started[unit] + ".wants/" + unit, Link: "/usr/lib/systemd/system/" + unit})
	}
	for _, unit := range enabled {
		entries = append(entries, entry{Path: units + "multi-user.target.wants/" + unit, Link: units + unit})
	}
	return entries, nil
}
