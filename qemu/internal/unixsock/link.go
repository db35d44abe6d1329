package unixsock

import (
	"fmt"
	"os"
	"path/filepath"
)

// withLink calls f with an address that leads to path over a short link to its directory. The link is in a directory of its
// own below dir, which nobody else can change, and is gone when withLink returns: the kernel looks at the address only while
// a socket is bound or connected.
func withLink(dir, path string, longest int, f func(address string) error) error {
	private, err := os.MkdirTemp(dir, "stackemu-")
	if err != nil {
		return fmt.Errorf("a short link to its directory: %w", err)
	}
	defer os.Remove(private)
	target, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	link := filepath.Join(private, "d")
	if err := os.Symlink(target, link); err != nil {
		return fmt.Errorf("a short link to its directory: %w", err)
	}
	defer os.Remove(link)
	address := filepath.Join(link, filepath.Base(path))
	if len(address) > longest {
		return fmt.Errorf("the last part of the path is %d bytes too long for a socket", len(address)-longest)
	}
	return f(address)
}
