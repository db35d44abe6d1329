package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// redirect lets what the runtime says (a panic) go to a file as well.
func redirect(file *os.File) error {
	for _, fd := range []int{1, 2} {
		if err := unix.Dup2(int(file.Fd()), fd); err != nil {
			return err
		}
	}
	return nil
}
