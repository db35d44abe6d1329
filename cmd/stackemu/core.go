package main

import "syscall"

// noCoreFiles keeps this process, and the QEMUs that it starts, from leaving their memory on disk when they crash: secrets are
// in it.
func noCoreFiles() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &limit) // less is always allowed
	}
}
