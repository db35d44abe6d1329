package unixsock

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The way of systems that have no /proc. It works on all.
func TestWithLink(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("/tmp", "link")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	path := filepath.Join(dir, "x.sock")
	var l net.Listener
	err = withLink(short, path, 103, func(address string) error {
		l, err = net.Listen("unix", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	defer l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
	err = withLink(short, path, 103, func(address string) error {
		c, err := net.Dial("unix", address)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		t.Error(err)
	}
	if err := withLink(short, filepath.Join(dir, strings.Repeat("x", 100)), 103, nil); err == nil {
		t.Error("a last part that is too long is none")
	}
	if left, err := os.ReadDir(short); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
