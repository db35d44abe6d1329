package home

import (
	"fmt"
	"regexp"
)

// DefaultInstance is the instance that commands mean when none is named.
const DefaultInstance = "default"

// defaultFolder is where the default instance lives: the product's own tools look for their VM there.
const defaultFolder = "vm"

// nameForm keeps names usable as a file name, a host name label and an argument that cannot be taken for a flag.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// NameError tells that a name cannot be an instance's.
type NameError struct {
	Name   string
	Reason string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("instance name %q: %s", e.Name, e.Reason)
}

// CheckName returns nil or a *NameError.
func CheckName(name string) error {
	switch {
	case !nameForm.MatchString(name):
		return &NameError{name, "allowed are 1 to 32 of a-z, 0-9 and -, not beginning with -"}
	case name == defaultFolder:
		return &NameError{name, fmt.Sprintf("taken: it is the folder of the instance %q", DefaultInstance)}
	}
	return nil
}
