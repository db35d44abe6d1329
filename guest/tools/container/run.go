package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/mounts"
	"github.com/stackemu/stackemu/guest/tools/ociimage"
	"github.com/stackemu/stackemu/guest/tools/private"
)

// crun runs without cgroups of its own: the container stays in the cgroup of the service that started it, where systemd
// counts and ends its processes.
var crun = []string{"crun", "--cgroup-manager=disabled"}

// Run starts the container and, by exec, becomes the program of its engine: it returns only an error. That program hands signals
// on to the container's first process and ends with its exit status. hold keeps others from changing the environment until
// what it returns is closed.
func Run(l Layout, hold func() (io.Closer, error)) error {
	docker, err := l.OnDocker()
	switch {
	case err != nil:
		return err
	case docker:
		err = l.runDocker(hold)
	default:
		err = l.runCrun()
	}
	return fmt.Errorf("container: %w", err)
}

func (l Layout) runCrun() error {
	binary, err := exec.LookPath(crun[0])
	if err != nil {
		return err
	}
	if err := l.prepare(); err != nil {
		return err
	}
	if err := shareMounts(l.HostDir); err != nil {
		return err
	}
	if err := l.removeStale(); err != nil {
		return err
	}
	args := append(append([]string(nil), crun...), "run", "--bundle", l.Bundle, Name)
	return fmt.Errorf("%s: %w", binary, unix.Exec(binary, args, os.Environ()))
}

// prepare makes the directories that are mounted, and writes config.json 0600: the environment in it holds secrets.
func (l Layout) prepare() error {
	image, err := ociimage.Read(l.Image)
	if err != nil {
		return err
	}
	env, err := envfile.ReadIfExists(l.EnvFile)
	if err != nil {
		return err
	}
	root := filepath.Join(l.Bundle, "rootfs")
	user, err := lookUpUser(root, image.Config.User)
	if err != nil {
		return err
	}
	for _, dir := range []string{l.RunDir, l.HostDir, l.Volumes} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, volume := range volumePaths(image) {
		if err := fillVolume(filepath.Join(root, volume), l.volumeDir(volume)); err != nil {
			return fmt.Errorf("volume %s: %w", volume, err)
		}
	}
	spec, err := json.MarshalIndent(l.Spec(image, env, user), "", "  ")
	if err != nil {
		return err
	}
	return private.Write(filepath.Join(l.Bundle, "config.json"), spec)
}

// shareMounts makes dir a mount point whose mounts a running container gets to see. A plain directory would not do: the
// runtime cuts the mount that the container's root lies on, here the guest's "/", off from the guest.
func shareMounts(dir string) error {
	there, err := mounts.At(mounts.Self, dir)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		// With what is mounted below it: the host may have been quicker than the container.
		if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s: %w", dir, err)
		}
	}
	if err := unix.Mount("", dir, "", unix.MS_SHARED|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("share %s: %w", dir, err)
	}
	return nil
}

// removeStale deletes what a container of the same name has left, if there is anything.
func (l Layout) removeStale() error {
	if _, err := os.Stat(filepath.Join(l.State, Name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	cmd := exec.Command(crun[0], append(append([]string(nil), crun[1:]...), "delete", "--force", Name)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("delete stale container: %w: %s", err, out)
	}
	return nil
}
