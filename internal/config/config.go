// Package config reads the environment variables that steer the emulator: the product's own names, with the
// product's own meanings, so that scripts written for its tools work unchanged.
//
// An unset and an empty variable both mean the default. A value that is not allowed is an error that names the
// variable, the value and what is allowed; FromEnv reports all of them at once. Package config touches no file.
package config

import (
	"errors"
	"path/filepath"
	"runtime"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// Config is what the environment says, with defaults filled in.
type Config struct {
	Home     string // STACK_EMULATOR_HOME; absolute
	ImageDir string // EMULATOR_IMAGE_DIR; absolute
	RunDir   string // EMULATOR_RUN_DIR; absolute

	Arch   string // EMULATOR_ARCH: amd64 or arm64
	RAMMiB int    // EMULATOR_RAM
	CPUs   int    // EMULATOR_CPUS

	PortPrefix int   // PORT_PREFIX, else NEXT_PUBLIC_STACK_PORT_PREFIX: leading digits of the guest's ports
	Ports      Ports // on the host: those of the default instance, unless others are given
	Given      Ports // which of them are given, by their variables; 0 for those that are not

	ReadyTimeout         time.Duration // EMULATOR_READY_TIMEOUT: from the start until all services are healthy
	SnapshotReadyTimeout time.Duration // EMULATOR_SNAPSHOT_READY_TIMEOUT: the same after a resume

	NoSnapshot   bool // EMULATOR_NO_SNAPSHOT: always boot from the disk
	NoRotation   bool // EMULATOR_NO_ROTATION: keep the public placeholder secrets
	ForceCapture bool // EMULATOR_FORCE_CAPTURE: take a new snapshot even if there is one

	Format snapshot.Format // EMULATOR_SNAPSHOT_FORMAT, or --format: of snapshots; "" for the best that QEMU has

	RequireSnapshot bool    // --require-snapshot: a start that cannot be a resume fails
	Mounts          []Mount // --mount
}

// Mount is a directory of the host that the guest may see.
type Mount struct {
	Dir      string // absolute, without symbolic links
	ReadOnly bool
}

// Ports are host ports, bound on 127.0.0.1.
type Ports struct {
	Dashboard int // EMULATOR_DASHBOARD_PORT
	Backend   int // EMULATOR_BACKEND_PORT
	Storage   int // EMULATOR_MINIO_PORT
	Mail      int // EMULATOR_INBUCKET_PORT
}

// ByService gives the ports the names that profiles have for services.
func (p Ports) ByService() map[string]int {
	return map[string]int{
		profile.Dashboard: p.Dashboard,
		profile.Backend:   p.Backend,
		profile.Storage:   p.Storage,
		profile.Mail:      p.Mail,
	}
}

// Folders is the home that the configuration describes.
func (c Config) Folders() home.Home {
	h := home.New(c.Home)
	h.Images, h.Run = c.ImageDir, c.RunDir
	return h
}

// Limits and defaults. The defaults are the product's.
const (
	defaultRAMMiB = 4096
	minRAMMiB     = 512     // less does not boot the reference image
	maxRAMMiB     = 1 << 20 // 1 TiB: a typing error, not a wish
	mostCPUs      = 4       // by default, and no more than the host has: see defaultCPUs
	maxCPUs       = 128

	minPrefix = 11  // 1101 is the first guest port that needs no privilege
	maxPrefix = 654 // 65499 is the last that fits

	defaultReadyTimeout         = 240 * time.Second
	defaultSnapshotReadyTimeout = 45 * time.Second
)

// FromEnv reads the configuration through lookup, which is os.LookupEnv or a test's map. The error, if any, joins
// one *ValueError per bad variable; the Config is then not to be used.
func FromEnv(lookup func(string) (string, bool)) (Config, error) {
	env := &reader{lookup: lookup}
	c := Config{
		Arch:                 env.arch("EMULATOR_ARCH", hostArch()),
		RAMMiB:               env.mebibytes("EMULATOR_RAM", defaultRAMMiB, minRAMMiB, maxRAMMiB),
		CPUs:                 env.number("EMULATOR_CPUS", defaultCPUs(), 1, maxCPUs),
		ReadyTimeout:         env.seconds("EMULATOR_READY_TIMEOUT", defaultReadyTimeout),
		SnapshotReadyTimeout: env.seconds("EMULATOR_SNAPSHOT_READY_TIMEOUT", defaultSnapshotReadyTimeout),
		NoSnapshot:           env.flag("EMULATOR_NO_SNAPSHOT"),
		NoRotation:           env.flag("EMULATOR_NO_ROTATION"),
		ForceCapture:         env.flag("EMULATOR_FORCE_CAPTURE"),
		Format:               env.format("EMULATOR_SNAPSHOT_FORMAT"),
	}
	c.Ports, c.Given = readPorts(env)
	c.PortPrefix = env.number("NEXT_PUBLIC_STACK_PORT_PREFIX", profile.DefaultPrefix, minPrefix, maxPrefix)
	c.PortPrefix = env.number("PORT_PREFIX", c.PortPrefix, minPrefix, maxPrefix)

	c.Home = env.path("STACK_EMULATOR_HOME", env.defaultHome)
	folders := home.New(c.Home)
	c.ImageDir = env.path("EMULATOR_IMAGE_DIR", func() (string, error) { return folders.Images, nil })
	c.RunDir = env.path("EMULATOR_RUN_DIR", func() (string, error) { return folders.Run, nil })
	return c, errors.Join(env.errs...)
}

// hostArch is this host's own architecture, the only one that can be accelerated; on any other host amd64.
func hostArch() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "amd64"
}

// defaultCPUs is the number of vCPUs unless one is given: the product's four, or as many as the host has. A guest under
// emulation whose vCPUs have to take turns on the host's cores is slower, and its timers can stop (docs/decisions/0007).
func defaultCPUs() int { return min(mostCPUs, runtime.NumCPU()) }

// AtBase is the configuration of an instance whose block of host ports begins at base. Ports that are given win.
func (c Config) AtBase(base int) Config {
	for n, port := range []struct{ port, given *int }{
		{&c.Ports.Dashboard, &c.Given.Dashboard}, {&c.Ports.Backend, &c.Given.Backend},
		{&c.Ports.Storage, &c.Given.Storage}, {&c.Ports.Mail, &c.Given.Mail},
	} {
		if *port.given == 0 {
			*port.port = base + n
		}
	}
	return c
}

func readPorts(env *reader) (p, explicit Ports) {
	given := map[int]string{} // defaults may clash with these: the image need not have that service
	for i, port := range []struct {
		variable string
		field    *int
		explicit *int
	}{
		{"EMULATOR_DASHBOARD_PORT", &p.Dashboard, &explicit.Dashboard},
		{"EMULATOR_BACKEND_PORT", &p.Backend, &explicit.Backend},
		{"EMULATOR_MINIO_PORT", &p.Storage, &explicit.Storage},
		{"EMULATOR_INBUCKET_PORT", &p.Mail, &explicit.Mail},
	} {
		*port.field = env.number(port.variable, profile.DefaultHostBase+i, 1, 65535)
		value, ok := env.get(port.variable)
		if !ok {
			continue
		}
		if other, taken := given[*port.field]; taken {
			env.reject(port.variable, value, "a port that is not also "+other)
		}
		given[*port.field] = port.variable
		*port.explicit = *port.field
	}
	return p, explicit
}

func (r *reader) defaultHome() (string, error) {
	user, ok := r.get("HOME")
	if !ok || !filepath.IsAbs(user) {
		return "", errors.New("the path of a folder: it must be set, because HOME is not")
	}
	return filepath.Join(user, ".stack", "emulator"), nil
}
