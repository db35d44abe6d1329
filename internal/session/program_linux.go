package session

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// attributes make the kernel kill a program whose session is killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// signalSession sends a signal to all processes of the session that the process pid has begun.
func signalSession(pid int, s syscall.Signal) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		_ = syscall.Kill(-pid, s)
		return
	}
	for _, e := range entries {
		other, err := strconv.Atoi(e.Name())
		if err == nil && sessionOf(e.Name()) == pid {
			_ = syscall.Kill(other, s) // it may have ended
		}
	}
}

// sessionOf is the session of a process (proc_pid_stat(5)); 0 if there is no such process.
func sessionOf(process string) int {
	text, err := os.ReadFile(filepath.Join("/proc", process, "stat"))
	if err != nil {
		return 0
	}
	rest := string(text)
	rest = rest[strings.LastIndexByte(rest, ')')+1:] // the name before it may have anything in it
	fields := strings.Fields(rest)                   // state, parent, group, session
	if len(fields) < 4 {
		return 0
	}
	session, _ := strconv.Atoi(fields[3])
	return session
}
