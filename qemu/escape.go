package qemu

import (
	"path/filepath"
	"strings"
)

// option is one comma-separated argument of QEMU under construction.
type option struct{ b strings.Builder }

// opt begins an argument with its first part, which is written as it is.
func opt(head string) *option {
	o := &option{}
	o.b.WriteString(head)
	return o
}

// flag appends parts that need no escaping, such as "readonly=on".
func (o *option) flag(parts ...string) *option {
	for _, p := range parts {
		o.b.WriteString("," + p)
	}
	return o
}

// set appends key=value with the value escaped.
func (o *option) set(key, value string) *option {
	o.b.WriteString("," + key + "=" + escape(value))
	return o
}

// path appends key=path, protected from what QEMU reads into paths.
func (o *option) path(key, path string) *option { return o.set(key, plainPath(path)) }

// String returns the argument.
func (o *option) String() string { return o.b.String() }

// escape doubles the commas of a value, which otherwise end it.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// plainPath keeps QEMU from taking the beginning of a relative path for a protocol ("nbd:..."). It finds none in a path
// that begins with a slash or a dot.
func plainPath(path string) string {
	if path == "" || filepath.IsAbs(path) || strings.HasPrefix(path, "."+string(filepath.Separator)) {
		return path
	}
	return "." + string(filepath.Separator) + path
}
