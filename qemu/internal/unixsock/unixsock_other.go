//go:build !linux

package unixsock

import "syscall"

// maxAddress is the longest path that fits into sun_path together with its closing zero, on macOS.
const maxAddress = 103

// shortDir is where links are made. The usual place for temporary files has a long path on macOS.
const shortDir = "/tmp"

// withAddress calls f with an address that leads to path.
func withAddress(path string, f func(address string) error) error {
	if len(path) <= maxAddress {
		return f(path)
	}
	return withLink(shortDir, path, maxAddress, f)
}

// private is left to the chmod that follows: only Linux takes a socket's mode from its descriptor. The directory must be
// private.
func private(_, _ string, _ syscall.RawConn) error { return nil }
