//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/qemu"
)

// removeAFile removes one that a running instance can do without.
func removeAFile(x *target) (func(), error) {
	all := []string{x.files.LastStatus, x.files.SerialLog, x.files.QEMULog, x.files.SupervisorLog, x.files.ConfigISO, x.files.Running}
	err := os.Remove(all[x.random.IntN(len(all))])
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return nil, err
}

func removeControlSocket(x *target) (func(), error) { return nil, os.Remove(x.files.ControlSock) }

func noteOfVM(f home.Instance) []string { return []string{f.Running} }
func pidFile(f home.Instance) []string  { return []string{f.PID} }
func sockets(f home.Instance) []string {
	return []string{f.MonitorSock, f.AgentSock, f.ControlSock}
}

func killSupervisorWithout(files func(home.Instance) []string) func(*target) (func(), error) {
	return func(x *target) (func(), error) {
		if _, err := killSupervisor(x); err != nil {
			return nil, err
		}
		for _, path := range files(x.files) {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // another fault may have been there before
				return nil, err
			}
		}
		return nil, nil
	}
}

// leaveStaleFiles puts into the directory of a stopped instance what crashes may leave.
func leaveStaleFiles(x *target) (func(), error) {
	if _, err := x.run("stop", x.name); err != nil {
		return nil, err
	}
	for _, path := range sockets(x.files) {
		l, err := net.Listen("unix", path)
		if err != nil {
			return nil, err
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	if err := qemu.WritePID(x.files.PID, os.Getpid()); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(x.files.PID)
	if err != nil {
		return nil, err
	}
	reused := strings.Replace(string(text), "start ", "start 1", 1)                         // the pid is ours by now
	if err := os.Remove(x.files.FreshDisk); err != nil && !errors.Is(err, os.ErrNotExist) { // another name of the disk itself
		return nil, err
	}
	return nil, errors.Join(os.WriteFile(x.files.PID, []byte(reused), 0o600), os.WriteFile(x.files.Running, []byte("{"), 0o600),
		os.WriteFile(x.files.FreshDisk, []byte("half a disk"), 0o600), os.MkdirAll(x.files.SessionNew, 0o700),
		os.WriteFile(filepath.Join(x.files.SessionNew, "ram.img"), []byte("half a session"), 0o600))
}

// damageSession hurts one file of a saved session, in one way.
func damageSession(x *target) (func(), error) {
	file := []string{"ram.img", "device.state", "manifest.json"}[x.random.IntN(3)]
	hurt := []func(string) error{truncate, flip, os.Remove}[x.random.IntN(3)]
	if _, err := x.run("stop", x.name); err != nil {
		return nil, err
	}
	return nil, hurt(filepath.Join(x.files.Session, file))
}

func truncate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()/2)
}

// flip turns a bit round.
func flip(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	one := make([]byte, 1)
	if _, err := f.ReadAt(one, info.Size()/2); err != nil {
		return err
	}
	one[0] ^= 1
	_, err = f.WriteAt(one, info.Size()/2)
	return err
}

// damageSnapshot cuts a file of the snapshot off, in a copy that takes its place: the running instances have the file itself below
// their disks. A new instance must start all the same.
func damageSnapshot(x *target) (func(), error) {
	file := []string{"ram.img", "device.state", "disk.qcow2", "manifest.json"}[x.random.IntN(4)]
	x.house.snapshots.Lock()
	defer x.house.snapshots.Unlock()
	dir, err := x.house.generation()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, file)
	if err := copyHalf(path); err != nil {
		return nil, err
	}
	newcomer := x.house.target(x.name+"-new", x.random)
	if err := newcomer.start(); err != nil {
		return nil, fmt.Errorf("%s is cut off: %w", path, err)
	}
	newcomer.look()
	for service, path := range healthPaths {
		if err := newcomer.asks(x.Context(), service, path); err != nil {
			return nil, err
		}
	}
	if err := newcomer.tells("set aside", x.house.began); err != nil {
		return nil, err
	}
	if _, err := newcomer.run("stop", newcomer.name); err != nil {
		return nil, err
	}
	_, err = newcomer.run("reset", "--yes", newcomer.name)
	return nil, err
}

// generation is the directory of the snapshot in use.
func (h *house) generation() (string, error) {
	all, err := filepath.Glob(filepath.Join(h.dir, "snapshots", "*"))
	if err != nil {
		return "", err
	}
	for _, path := range all {
		if dir, err := filepath.EvalSymlinks(path); err == nil && dir != path {
			return dir, nil
		}
	}
	return "", errors.New("there is no snapshot")
}

func copyHalf(path string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	half := path + ".half"
	to, err := os.OpenFile(half, os.O_CREATE|os.O_WRONLY, info.Mode())
	if err != nil {
		return err
	}
	if _, err := io.CopyN(to, from, min(info.Size()/2, 1<<20)); err != nil {
		return errors.Join(err, to.Close())
	}
	return errors.Join(to.Close(), os.Rename(half, path))
}
