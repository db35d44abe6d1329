//go:build !linux

package unixsock

import (
	"fmt"
	"syscall"
)

// maxAddress is the longest path that fits into sun_path together with its closing zero, on macOS.
const maxAddress = 103

// withAddress calls f with an address that leads to path.
func withAddress(path string, f func(address string) error) error {
	if len(path) > maxAddress {
		return fmt.Errorf("the path has %d bytes and a socket's may have %d here: use a shorter directory", len(path), maxAddress)
	}
	return f(path)
}

// private is left to the chmod that follows: only Linux takes a socket's mode from its descriptor. The directory must be
// private.
func private(_, _ string, _ syscall.RawConn) error { return nil }
