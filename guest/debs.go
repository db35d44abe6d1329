package guest

import (
	"slices"
	"strings"
)

// buildOnly are packages that the VM has no use for after the first boot, although others say that they depend on them:
// cloud-init, and the makers of initial RAM disks, which the kernel's package wants.
var buildOnly = []string{"cloud-init", "initramfs-tools"}

// removablePackages reads dpkg's status file and returns the installed packages that are there for buildOnly alone: what
// neither wanted, nor an essential package, nor a dependency of these needs.
func removablePackages(status string, wanted []string) []string {
	packages := parseStatus(status)
	needed := map[string]bool{}
	var need func(name string)
	need = func(name string) {
		for _, p := range packages {
			if needed[p.name] || slices.Contains(buildOnly, p.name) || p.name != name && !slices.Contains(p.provides, name) {
				continue
			}
			needed[p.name] = true
			for _, dependency := range p.depends {
				need(dependency)
			}
		}
	}
	for _, name := range wanted {
		need(name)
	}
	var removable []string
	for _, p := range packages {
		if p.essential {
			need(p.name)
		}
	}
	for _, p := range packages {
		if !needed[p.name] {
			removable = append(removable, p.name)
		}
	}
	slices.Sort(removable)
	return removable
}

// statusPackage is what a stanza of dpkg's status file says about dependencies. Of alternatives (a | b) all are taken,
// since which one is meant does not matter when one too many stays.
type statusPackage struct {
	name      string
	essential bool
	depends   []string
	provides  []string
}

func parseStatus(status string) []statusPackage {
	var packages []statusPackage
	for stanza := range strings.SplitSeq(status, "\n\n") {
		var p statusPackage
		for line := range strings.Lines(stanza) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "Package":
				p.name = value
			case "Essential", "Protected":
				p.essential = p.essential || value == "yes"
			case "Priority":
				p.essential = p.essential || value == "required"
			case "Depends", "Pre-Depends":
				p.depends = append(p.depends, relations(value)...)
			case "Provides":
				p.provides = relations(value)
			}
		}
		if p.name != "" {
			packages = append(packages, p)
		}
	}
	return packages
}

// relations returns the names in a relation field, without versions and architectures.
func relations(field string) []string {
	var names []string
	for _, part := range strings.FieldsFunc(field, func(r rune) bool { return r == ',' || r == '|' }) {
		name, _, _ := strings.Cut(strings.TrimSpace(part), " ")
		name, _, _ = strings.Cut(name, ":")
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}
