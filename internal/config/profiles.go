package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/stackemu/stackemu/internal/ports"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/suggest"
)

// This file reads the profiles that a file describes: tables of the services of images that are not the product's own.

const profilesKey = "profiles"

// described is a profile of a file.
type described struct {
	Origin
	table     profile.Profile
	variables []string // of the environment, one for each service: they give its host port; "" for none
}

const (
	variableForm = `^[A-Za-z_][A-Za-z0-9_]*$`
	portVarForm  = `^[A-Za-z_][A-Za-z0-9_]*_PORT$` // its value is told in errors: no project is to choose any variable
	healthForm   = `^/[!-~]*$`

	maxSecrets = 16
)

var (
	serviceNames  = texts("1 to 32 of a-z, 0-9 and -, not beginning with -", profileForm)
	variableNames = texts("the name of a variable: letters, digits and _, not beginning with a digit", variableForm)
	portVariables = texts("the name of a variable that ends with _PORT", portVarForm)
	arguments     = texts("text that is not empty", `^[^\x00]+$`)
	healthPaths   = texts("a path such as /health", healthForm)
	tcpPorts      = numbers(1, 65535)
	statusCodes   = numbers(100, 599)
	yesOrNo       = kind[bool]{allowed: "true, false", parse: parseSwitch, tags: []string{yamlSwitch}}
)

func (f *File) readProfiles(n *yaml.Node) {
	f.pairs(n, profilesKey, func(name string, k, v *yaml.Node) {
		if _, ok := serviceNames.parse(name); !ok || slices.Contains(profile.Names(), name) {
			f.problem(k.Line, &ValueError{Variable: profilesKey, Value: name, Allowed: "1 to 32 of a-z, 0-9 and -, not beginning with -, and none of the built-in ones (" + listed(profile.Names()) + ")"})
			return
		}
		before := len(f.Problems)
		d := f.readProfile(profilesKey+"."+name, k, v)
		if len(f.Problems) > before {
			return
		}
		d.table.Name, d.Origin = name, f.origin(k.Line)
		f.profiles = append(f.profiles, d)
	})
}

// readProfile reads one. A profile without a rotation has none: its image has no secrets of the product.
func (f *File) readProfile(what string, k, n *yaml.Node) (d described) {
	before := len(f.Problems)
	d.table.Rotation = &profile.Rotation{}
	f.fields(n, what, map[string]func(string, *yaml.Node){
		"services":        func(what string, v *yaml.Node) { f.readServices(what, v, &d) },
		"rotation":        func(what string, v *yaml.Node) { f.readRotation(what, v, d.table.Rotation) },
		"original_layout": func(what string, v *yaml.Node) { scan(f, yesOrNo, what, v, &d.table.OriginalLayout) },
	})
	if len(d.table.Services) == 0 && len(f.Problems) == before {
		f.problemf(k, "%s has no services", what)
	}
	return d
}

func (f *File) readServices(what string, n *yaml.Node, d *described) {
	if len(n.Content) > ports.Block {
		f.problemf(n, "%s has %d services; allowed: %d at most", what, len(n.Content), ports.Block)
		return
	}
	names, taken := map[string]bool{}, map[int]bool{}
	f.items(what, n, func(i int, item *yaml.Node) {
		s, variable := f.readService(fmt.Sprintf("%s[%d]", what, i), item)
		switch {
		case names[s.Name] && s.Name != "":
			f.problemf(item, "%s: there are two services %q", what, s.Name)
		case taken[s.HostPort] && s.HostPort != 0:
			f.problemf(item, "%s: two services have the host port %d", what, s.HostPort)
		}
		names[s.Name], taken[s.HostPort] = true, true
		d.table.Services, d.variables = append(d.table.Services, s), append(d.variables, variable)
	})
}

func (f *File) readService(what string, n *yaml.Node) (s profile.Service, variable string) {
	before := len(f.Problems)
	s.HealthPath = "/"
	f.fields(n, what, map[string]func(string, *yaml.Node){
		"name":       func(what string, v *yaml.Node) { scan(f, serviceNames, what, v, &s.Name) },
		"guest_port": func(what string, v *yaml.Node) { scan(f, tcpPorts, what, v, &s.GuestPort) },
		"host_port":  func(what string, v *yaml.Node) { scan(f, tcpPorts, what, v, &s.HostPort) },
		"variable":   func(what string, v *yaml.Node) { scan(f, portVariables, what, v, &variable) },
		"health":     func(what string, v *yaml.Node) { scan(f, healthPaths, what, v, &s.HealthPath) },
		"codes":      func(what string, v *yaml.Node) { s.Codes = scanList(f, statusCodes, what, v, 20) },
	})
	if len(s.Codes) == 0 {
		s.Codes = []int{200}
	}
	if len(f.Problems) == before && (s.Name == "" || s.GuestPort == 0) {
		f.problemf(n, "%s: name and guest_port are needed", what)
	}
	return s, variable
}

func (f *File) readRotation(what string, n *yaml.Node, r *profile.Rotation) {
	before := len(f.Problems)
	f.fields(n, what, map[string]func(string, *yaml.Node){
		"command": func(what string, v *yaml.Node) { r.Command = scanList(f, arguments, what, v, 32) },
		"secrets": func(what string, v *yaml.Node) { r.Secrets = scanList(f, variableNames, what, v, maxSecrets) },
	})
	switch {
	case len(f.Problems) > before || isNothing(n):
	case len(r.Command) == 0 || !strings.HasPrefix(r.Command[0], "/"):
		f.problemf(n, "%s.command: allowed: a list of the absolute path of a program in the guest, and its arguments", what)
	case len(r.Secrets) == 0:
		f.problemf(n, "%s.secrets: at least one is needed", what)
	}
}

// fields reads a map whose keys are known.
func (f *File) fields(n *yaml.Node, what string, known map[string]func(what string, v *yaml.Node)) {
	f.pairs(n, what, func(key string, k, v *yaml.Node) {
		read, ok := known[key]
		if !ok {
			var names []string
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			f.problemf(k, "%s has no %q%s (it has %s)", what, key, question(suggest.Nearest(key, names)), listed(names))
			return
		}
		read(what+"."+key, v)
	})
}

// scan reads a scalar of a kind.
func scan[T any](f *File, k kind[T], what string, n *yaml.Node, to *T) {
	text, ok := f.text(what, n, k.allowed, k.tags...)
	if !ok {
		return
	}
	v, ok := k.parse(text)
	if !ok {
		f.problem(n.Line, &ValueError{Variable: what, Value: text, Allowed: k.allowed})
		return
	}
	*to = v
}

// scanList reads a list of such.
func scanList[T any](f *File, k kind[T], what string, n *yaml.Node, most int) (all []T) {
	if len(n.Content) > most {
		f.problemf(n, "%s has %d items; allowed: %d at most", what, len(n.Content), most)
		return nil
	}
	f.items(what, n, func(i int, item *yaml.Node) {
		var v T
		scan(f, k, fmt.Sprintf("%s[%d]", what, i), item, &v)
		all = append(all, v)
	})
	return all
}
