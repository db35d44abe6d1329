package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// errGone is the error of a process that has ended.
var errGone = errors.New("is gone")

// BootID names this boot of the host; another boot has another one.
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("qemu: boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// startOf returns when a process began, in clock ticks since boot: field 22 of /proc/PID/stat. A zombie is gone, unless threads of it are
// left: its files, listening sockets among them, are closed by the last one.
func startOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", errGone
	}
	// Field 2, the program's name in brackets, may hold anything, brackets and blanks too.
	_, rest, found := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(") "))
	fields := bytes.Fields(rest)
	const state, threads, start = 0, 20 - 3, 22 - 3 // fields 3, 20 and 22; those from 3 on are left
	if !found || len(fields) <= start {
		return "", fmt.Errorf("cannot read /proc/%d/stat", pid)
	}
	if s := fields[state][0]; (s == 'Z' || s == 'X') && len(fields[threads]) == 1 && fields[threads][0] <= '1' {
		return "", errGone
	}
	return string(fields[start]), nil
}
