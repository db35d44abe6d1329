// Package config finds out what the user wants: from flags, from the environment (the product's own names, with the product's
// own meanings, so that scripts written for its tools work unchanged), from a project's stackemu.yaml and from the user's own
// file. [Load] merges them, in this order of precedence, into one [Config].
//
// What is not allowed is an error that names the variable, flag, or file and line, the value, and what is allowed; all of them
// are reported at once. An unset and an empty variable both mean that somebody else has the say. The settings are one table
// (settings.go), of which the JSON schema and the documentation are made, too.
package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// Config is what the user wants, with defaults filled in. As JSON it can be handed to another process.
type Config struct {
	Name string // the instance that is meant when none is named; maybe [AutoName]

	Home     string // absolute
	ImageDir string // absolute
	RunDir   string // absolute

	Arch   string // amd64 or arm64
	RAMMiB int
	CPUs   int

	PortPrefix int   // leading digits of the guest's ports
	PortBase   int   // the first of the instance's block of host ports
	Ports      Ports // on the host: those of the default instance, unless others are given
	Given      Ports // which of them are given; 0 for those that are not

	ReadyTimeout         time.Duration // from the start until all services are healthy
	SnapshotReadyTimeout time.Duration // the same after a resume

	NoSnapshot   bool // always boot from the disk
	NoRotation   bool // keep the public placeholder secrets
	ForceCapture bool // take a new snapshot even if there is one

	Format snapshot.Format // of snapshots; "" for the best that QEMU has

	RequireSnapshot bool    // a start that cannot be a resume fails
	Mounts          []Mount // see [Config.FindMounts]

	Offline     bool   // never use the network
	ImageRepo   string // OWNER/NAME that images are pulled from; "" for the product's own
	ImageBranch string // whose latest release is pulled; "" for the product's default

	Profile  string            // the profile of the image, whatever it says itself; "" for what it says
	Profiles []profile.Profile // that files describe, besides the built-in ones
}

// Ports are host ports, bound on 127.0.0.1.
type Ports struct {
	Dashboard int
	Backend   int
	Storage   int
	Mail      int
}

// ByService gives the ports the names that profiles have for services. Those that are 0 are left out.
func (p Ports) ByService() map[string]int {
	all := map[string]int{}
	for name, port := range map[string]int{profile.Dashboard: p.Dashboard, profile.Backend: p.Backend, profile.Storage: p.Storage, profile.Mail: p.Mail} {
		if port != 0 {
			all[name] = port
		}
	}
	return all
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

// AtBase is the configuration of an instance whose block of host ports begins at base. Ports that are given win.
func (c Config) AtBase(base int) Config {
	c.PortBase = base
	for n, port := range []struct{ port, given *int }{
		{&c.Ports.Dashboard, &c.Given.Dashboard}, {&c.Ports.Backend, &c.Given.Backend},
		{&c.Ports.Storage, &c.Given.Storage}, {&c.Ports.Mail, &c.Given.Mail},
	} {
		if *port.port = *port.given; *port.given == 0 {
			*port.port = base + n
		}
	}
	return c
}

// Table is the table of an image's services, at the host ports of this configuration. named is the profile that the image
// names, and offered are those of its services that the image has (none: all): both count unless the configuration names
// another profile.
func (c Config) Table(named string, offered []string) (profile.Profile, error) {
	if c.Profile != "" && c.Profile != named {
		named, offered = c.Profile, nil
	}
	table, err := c.profileNamed(named)
	if err != nil {
		return profile.Profile{}, err
	}
	return table.Offering(offered).WithHostPorts(c.Given.ByService())
}

// profileNamed is a profile in the block of host ports.
func (c Config) profileNamed(name string) (profile.Profile, error) {
	i := slices.IndexFunc(c.Profiles, func(p profile.Profile) bool { return p.Name == name })
	if i >= 0 {
		return c.Profiles[i].AboveHostBase(c.PortBase), nil
	}
	table, err := profile.ByName(name, c.PortPrefix)
	if err != nil {
		return profile.Profile{}, fmt.Errorf("profile %q is not known (known: %s)", name, strings.Join(c.profileNames(), ", "))
	}
	return table.WithHostBase(c.PortBase), nil
}

// profileNames are the names of all profiles, sorted.
func (c Config) profileNames() []string {
	names := profile.Names()
	for _, p := range c.Profiles {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}
