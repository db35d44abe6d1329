// Package profile holds the tables of services that a product's image offers: where each service listens in the
// guest, at which port of the host it is published, and how its health is asked.
//
// A profile is plain data. Every function returns a fresh value, so that a caller may change what it got.
package profile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The services that profiles are made of, by the names that flags, messages and the view use.
const (
	Dashboard = "dashboard"
	Backend   = "backend"
	Storage   = "storage" // object storage: MinIO in the product's image
	Mail      = "mail"    // mock mail box: Inbucket in the product's image
)

const (
	// DefaultHostBase is the host port of the first service of the default instance; the others follow it. It is
	// the product's own choice, and its documentation names these ports.
	DefaultHostBase = 26700

	// DefaultPrefix is the leading part of the product's ports in the guest: 81 makes 8101, 8102, ...
	DefaultPrefix = 81
)

// Service is one TCP service of the guest that speaks HTTP.
type Service struct {
	Name       string
	GuestPort  int
	HostPort   int    // published on 127.0.0.1 only
	HealthPath string // with its query, starting with a slash
	Codes      []int  // the HTTP status codes that mean "healthy"
}

// URL is where a person finds the service.
func (s Service) URL() string {
	return "http://localhost:" + strconv.Itoa(s.HostPort)
}

// HealthURL is what a probe asks. It names the address instead of localhost, which may resolve to ::1 first, where
// nothing of ours listens.
func (s Service) HealthURL() string {
	return "http://127.0.0.1:" + strconv.Itoa(s.HostPort) + s.HealthPath
}

// Profile is the table of one product.
type Profile struct {
	Name     string
	Services []Service

	// OriginalLayout says that images of this profile come from the product's own builds, and get virtual hardware
	// in exactly the order of the product's tools, without the devices that we add to it.
	OriginalLayout bool

	// Rotation is how secrets of the guest are replaced: nil for the way of the product's images (internal/guestapi).
	Rotation *Rotation
}

// Rotation is a program in the guest that takes fresh secrets, as KEY=value lines on its standard input. Without a command
// there is none, and the secrets of the guest are those of its image.
type Rotation struct {
	Command []string // an absolute path, and arguments
	Secrets []string // the keys
}

// Rotates says whether the guest's secrets can be replaced.
func (p Profile) Rotates() bool { return p.Rotation == nil || len(p.Rotation.Command) > 0 }

// StackAuth is the product's published image: four services. The ports of storage and mail do not follow the prefix.
func StackAuth(prefix int) Profile {
	return Profile{Name: "stack-auth", Services: services(prefix), OriginalLayout: true}.WithHostBase(DefaultHostBase)
}

// Reference is the image that `stackemu image build` makes: the same services.
func Reference(prefix int) Profile {
	return Profile{Name: "reference", Services: services(prefix)}.WithHostBase(DefaultHostBase)
}

func services(prefix int) []Service {
	return []Service{
		{Name: Dashboard, GuestPort: prefix*100 + 1, HealthPath: "/handler/sign-in", Codes: []int{200}},
		{Name: Backend, GuestPort: prefix*100 + 2, HealthPath: "/health?db=1", Codes: []int{200}},
		{Name: Storage, GuestPort: 9090, HealthPath: "/minio/health/live", Codes: []int{200}},
		{Name: Mail, GuestPort: 9001, HealthPath: "/", Codes: []int{200}},
	}
}

var byName = map[string]func(prefix int) Profile{
	"reference":  Reference,
	"stack-auth": StackAuth,
}

// Names are the profiles that ByName knows, sorted.
func Names() []string {
	return []string{"reference", "stack-auth"}
}

// ByName finds a profile, as an image's sidecar names it.
func ByName(name string, prefix int) (Profile, error) {
	table, ok := byName[name]
	if !ok {
		return Profile{}, fmt.Errorf("profile %q is not known (known: %s)", name, strings.Join(Names(), ", "))
	}
	return table(prefix), nil
}

// Service finds a service by its name.
func (p Profile) Service(name string) (Service, bool) {
	i := slices.IndexFunc(p.Services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return p.Services[i], true
}

// WithHostBase is the profile with its services at the host ports base, base+1, ... in the order of the table.
func (p Profile) WithHostBase(base int) Profile {
	p.Services = slices.Clone(p.Services)
	for i := range p.Services {
		p.Services[i].HostPort = base + i
	}
	return p
}

// Offering is the profile with those of its services that an image has, by their names; none means all. A service keeps its
// host port, whichever others are left out.
func (p Profile) Offering(names []string) Profile {
	p.Services = slices.Clone(p.Services)
	if len(names) > 0 {
		p.Services = slices.DeleteFunc(p.Services, func(s Service) bool { return !slices.Contains(names, s.Name) })
	}
	return p
}

// AboveHostBase is WithHostBase for a profile whose services may have host ports of their own: they keep them.
func (p Profile) AboveHostBase(base int) Profile {
	own := p.Services
	p = p.WithHostBase(base)
	for i, s := range own {
		if s.HostPort != 0 {
			p.Services[i].HostPort = s.HostPort
		}
	}
	return p
}

// WithHostPorts is the profile with the host ports that are given by service name. Names of services that the
// profile does not have are passed over: a configuration may name ports for more services than an image offers.
// Two services at one port are an error.
func (p Profile) WithHostPorts(ports map[string]int) (Profile, error) {
	p.Services = slices.Clone(p.Services)
	owner := make(map[int]string, len(p.Services))
	for i, s := range p.Services {
		if port, ok := ports[s.Name]; ok {
			p.Services[i].HostPort = port
		}
		port := p.Services[i].HostPort
		if other, taken := owner[port]; taken {
			return Profile{}, fmt.Errorf("profile %s: host port %d is given to both %s and %s", p.Name, port, other, s.Name)
		}
		owner[port] = s.Name
	}
	return p, nil
}
