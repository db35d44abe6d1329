//go:build !linux

package session

import "syscall"

// This end is in the guest, which is Linux. Elsewhere it is for tests.

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func signalSession(pid int, s syscall.Signal) { _ = syscall.Kill(-pid, s) }
