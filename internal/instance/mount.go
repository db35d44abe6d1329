package instance

import (
	"context"
	"fmt"
	"path"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// A mount is a directory of the host, plugged into a running guest and unplugged before it is saved: neither a snapshot nor a
// session has one in it. The guest sees it below /host at the path that it has on the host, so that a program there and
// one here mean the same file by the same words, and it sees nothing else of the host.

// mountRoot is where the guest has what is the host's (design.md, "The guest contract").
const mountRoot = "/host"

// mountPorts are the root ports that mounts are plugged into.
var mountPorts = [config.MaxMounts]string{"hostfs-port", "spare-port1", "spare-port2"}

func mountID(n int) string { return fmt.Sprintf("mount%d", n) }

// hostMounts are the directories as QEMU has to know them from its start.
func (b *Boot) hostMounts() (mounts []qemu.HostMount) {
	if b.Way == Capture {
		return nil
	}
	for n, m := range b.config.Mounts {
		mounts = append(mounts, qemu.HostMount{ID: mountID(n), Path: m.Dir, ReadOnly: m.ReadOnly})
	}
	return mounts
}

// guestMounts are the same as the guest is told.
func (b *Boot) guestMounts() (mounts []guestapi.Mount) {
	for n, m := range b.config.Mounts {
		mounts = append(mounts, guestapi.Mount{Tag: mountID(n), Path: path.Join(mountRoot, m.Dir), ReadOnly: m.ReadOnly})
	}
	return mounts
}

// plug plugs all directories in.
func (b *Boot) plug(ctx context.Context, m *qmp.Conn) error {
	for n := range b.wiring.Mounts {
		if err := m.PlugMount(ctx, mountID(n)+"-device", mountID(n), mountID(n), mountPorts[n]); err != nil {
			return fmt.Errorf("mount %s: %w", b.wiring.Mounts[n].Path, err)
		}
	}
	return nil
}

// unmount takes them away from the guest, which then holds none of them open.
func (b *Boot) unmount(ctx context.Context, g *qga.Client) error {
	if len(b.wiring.Mounts) == 0 {
		return nil
	}
	args := []string{"--lazy"} // a process in the guest may be in it, and a save must not wait for that
	for _, m := range b.guestMounts() {
		args = append(args, m.Path)
	}
	return run(ctx, g, nil, "/bin/umount", args...)
}

// unplug takes them away from the machine.
func (b *Boot) unplug(ctx context.Context, m *qmp.Conn) error {
	for n := range b.wiring.Mounts {
		if err := m.Unplug(ctx, mountID(n)+"-device"); err != nil {
			return fmt.Errorf("mount %s: %w", b.wiring.Mounts[n].Path, err)
		}
	}
	return nil
}
