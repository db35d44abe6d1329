package qemu

import (
	"errors"
	"fmt"
	"regexp"
)

// HostMount is a directory of the host that can be plugged into the guest ([qmp.Conn.PlugMount]), by its id. It has to be
// there when QEMU starts, and is no device: the guest sees nothing of it, and a snapshot loads with it or without.
type HostMount struct {
	ID       string
	Path     string // a directory that is there
	ReadOnly bool   // the guest cannot write, whoever it is there
}

// mountID is what QEMU takes for an id.
var mountID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)

// validateMounts says everything that is wrong with the mounts.
func validateMounts(mounts []HostMount) error {
	var errs []error
	seen := map[string]bool{}
	for _, m := range mounts {
		switch {
		case !mountID.MatchString(m.ID):
			errs = append(errs, fmt.Errorf("mount %q: want an id of letters, digits, dots and dashes", m.ID))
		case seen[m.ID]:
			errs = append(errs, fmt.Errorf("mount %s: another one has that id", m.ID))
		case m.Path == "":
			errs = append(errs, fmt.Errorf("mount %s: no path", m.ID))
		}
		seen[m.ID] = true
	}
	return errors.Join(errs...)
}

// mounts adds the directories.
//
// security_model=none is what a developer expects of a directory that a program works in: what is made in the guest
// belongs, on the host, to the user who runs QEMU, with the permissions that it was made with; a change of the owner is
// passed over, for only root could make it. (passthrough is the same and fails there. The mapped models keep owner and
// permissions beside the file, in attributes or a hidden directory: on the host every file would have mode 0600, and no
// script could be run.) What that user may not read or write, the guest may not either.
//
// multidevs=remap keeps files of several file systems below the directory apart, which may have the same numbers.
func (a *args) mounts(w Wiring) {
	for _, m := range w.Mounts {
		dir := opt("local,id="+m.ID).path("path", m.Path).flag("security_model=none", "multidevs=remap")
		if m.ReadOnly {
			dir.flag("readonly=on")
		}
		a.opt("-fsdev", dir)
	}
}
