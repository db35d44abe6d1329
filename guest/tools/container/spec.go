// Package container runs the stack's container: an unpacked root under crun, with no daemon, or an image under docker where
// the guest was built with that.
//
// [Layout.Spec] is pure and says what the container may see and do; [Run] prepares its volumes, removes what a crash has
// left, and becomes crun, or docker's command line. The container shares the guest's network, for a guest has one container and the host forwards
// ports to the guest, but has its own processes, mounts and IPC.
package container

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/ociimage"
)

// Layout names the places of the guest that the container is made of.
type Layout struct {
	Bundle  string // directory with rootfs/ and, after Run, config.json
	Image   string // image.json
	Volumes string // one directory for each volume of the image
	RunDir  string // environment files, shown to the container under the same path
	HostDir string // mounts of the host's directories, shown under the same path
	State   string // crun's own state: one directory for each container
	Engine  string // file that names the engine, if that is not crun
	Docker  string // socket of docker's daemon
	EnvFile string // environment that render-stack-env wrote
	Proc    string // what the kernel tells of processes
}

// Name is the name of the container (design.md, "The guest contract").
const Name = "stack"

// GuestLayout is the layout of a real guest.
var GuestLayout = Layout{
	Bundle:  "/var/lib/stack-auth/container",
	Image:   "/var/lib/stack-auth/container/image.json",
	Volumes: "/var/lib/stack-auth/volumes",
	RunDir:  "/run/stack-auth",
	HostDir: "/host",
	State:   "/run/crun",
	Engine:  "/etc/stack-engine",
	Docker:  "/run/docker.sock",
	EnvFile: "/run/stack-auth/local-emulator.env",
	Proc:    "/proc",
}

// specVersion is the version of the runtime specification that config.json keeps to: an old one, with all that is used,
// because runtimes refuse those that are newer than themselves.
const specVersion = "1.0.2"

// capabilities are what the first process may have: supervisord and the entry point start as root, give files to other
// users, become them, and signal them. Nothing here reaches the guest's kernel or network settings.
var capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
	"CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID",
}

// Spec returns the OCI runtime configuration of image in this layout. env is laid over the image's own environment; user
// is the image's user, looked up in its root.
func (l Layout) Spec(image ociimage.Image, env envfile.Vars, user specs.User) *specs.Spec {
	vars := envfile.Vars{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	vars.Merge(envfile.FromEnviron(image.Config.Env))
	vars.Merge(env)
	cwd := image.Config.WorkingDir
	if cwd == "" {
		cwd = "/"
	}
	return &specs.Spec{
		Version:  specVersion,
		Hostname: Name,
		Root:     &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			User: user,
			Args: image.Config.Args(),
			Env:  vars.Environ(),
			Cwd:  cwd,
			Capabilities: &specs.LinuxCapabilities{
				Bounding: capabilities, Effective: capabilities, Permitted: capabilities,
			},
			NoNewPrivileges: true,
		},
		Mounts: l.mounts(image),
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.MountNamespace},
				{Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
			},
			// Mounts that the guest makes below HostDir later must show up in the running container, and none the other
			// way: "slave" is the direction.
			RootfsPropagation: "rslave",
			MaskedPaths: []string{"/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
				"/proc/timer_list", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

func (l Layout) mounts(image ociimage.Image) []specs.Mount {
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=64k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777"}},
		// A fresh /run: no pid file or socket of an earlier life can mislead PostgreSQL or supervisord.
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=755"}},
		{Destination: l.RunDir, Type: "bind", Source: l.RunDir, Options: []string{"bind", "nosuid", "nodev"}},
		{Destination: l.HostDir, Type: "bind", Source: l.HostDir, Options: []string{"rbind", "rslave", "nosuid", "nodev"}},
		{Destination: "/etc/resolv.conf", Type: "bind", Source: "/etc/resolv.conf", Options: []string{"bind", "ro"}},
		{Destination: "/etc/hosts", Type: "bind", Source: "/etc/hosts", Options: []string{"bind", "ro"}},
	}
	for _, volume := range volumePaths(image) {
		mounts = append(mounts, specs.Mount{Destination: volume, Type: "bind", Source: l.volumeDir(volume),
			Options: []string{"rbind", "nosuid", "nodev"}})
	}
	return mounts
}

// volumePaths returns the volumes of image, sorted: a volume comes after one that holds it.
func volumePaths(image ociimage.Image) []string {
	paths := make([]string, 0, len(image.Config.Volumes))
	for path := range image.Config.Volumes {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// volumeDir is where the content of a volume is kept: its path, escaped as in a URL, which keeps any two apart.
func (l Layout) volumeDir(path string) string {
	return filepath.Join(l.Volumes, url.PathEscape(strings.TrimPrefix(path, "/")))
}
