package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Identity says which process a pid has meant: pids are used again, after a reboot also soon. Start and Boot are the
// kernel's words for when the process and the system began; they are only ever compared.
type Identity struct {
	PID   int
	Start string
	Boot  string
}

// IdentityOf returns the identity of the process that has a pid now.
func IdentityOf(pid int) (Identity, error) {
	start, err := startOf(pid)
	if err != nil {
		return Identity{}, fmt.Errorf("qemu: process %d: %w", pid, err)
	}
	boot, err := BootID()
	if err != nil {
		return Identity{}, err
	}
	return Identity{pid, start, boot}, nil
}

// Alive reports whether that very process still runs. A zombie does not, and an identity without its start (a file of
// another tool, with a bare pid) is never alive: nobody can tell whose pid it is.
func (i Identity) Alive() bool {
	if i.Start == "" || i.Boot == "" {
		return false
	}
	now, err := IdentityOf(i.PID)
	return err == nil && now == i
}

// Kill ends that very process at once. If it is gone, whatever has its pid now is left alone, and nil is returned.
func (i Identity) Kill() error {
	p, err := os.FindProcess(i.PID) // where the system can, a handle: from here on it is one and the same process
	if err != nil {
		return nil
	}
	defer p.Release()
	if !i.Alive() {
		return nil
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("qemu: kill %d: %w", i.PID, err)
	}
	return nil
}

// WritePID writes the identity of a running process to path, mode 0600. The first line is the pid alone, for tools that
// read no more.
func WritePID(path string, pid int) error {
	id, err := IdentityOf(pid)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d\nstart %s\nboot %s\n", id.PID, id.Start, id.Boot)
	if err := publish(path, func(tmp string) error { return os.WriteFile(tmp, []byte(text), 0o600) }); err != nil {
		return fmt.Errorf("qemu: pid file: %w", err)
	}
	return nil
}

// ReadPID reads what [WritePID] has written, or a bare pid. A missing file is [fs.ErrNotExist].
func ReadPID(path string) (Identity, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, err
	}
	if err != nil {
		return Identity{}, fmt.Errorf("qemu: pid file: %w", err)
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(first)))
	if err != nil || pid <= 1 {
		return Identity{}, fmt.Errorf("qemu: pid file %s: no pid in %.20q", path, first)
	}
	id := Identity{PID: pid}
	for line := range strings.Lines(string(rest)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "start":
			id.Start = value
		case "boot":
			id.Boot = value
		}
	}
	return id, nil
}
