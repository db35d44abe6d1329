// Package owner lets a program that the container starts as root give that up for a system user of its own.
package owner

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Become gives dirs, which it makes where they are missing, to the user called name and, from root, becomes that user for
// good. A caller who is not root, or whose user is "", has nothing to give up: the directories are the caller's.
func Become(name string, dirs ...string) error {
	root := name != "" && os.Getuid() == 0
	var uid, gid int
	if root {
		account, err := user.Lookup(name)
		if err != nil {
			return err
		}
		if uid, err = strconv.Atoi(account.Uid); err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
		if gid, err = strconv.Atoi(account.Gid); err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if !root {
			continue
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return err
		}
	}
	if !root {
		return nil
	}
	if err := errors.Join(syscall.Setgroups([]int{gid}), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
		return fmt.Errorf("become %s: %w", name, err)
	}
	return nil
}
