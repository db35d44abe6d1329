package container

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stackemu/stackemu/guest/tools/ociimage"
)

// dockerProgram is docker's command line, and dockerImage what the first boot has loaded (guest/engine.go).
const (
	dockerProgram = "docker"
	dockerImage   = "stack:latest"
)

// createTimeout bounds the making of the container. It takes 1 s under an emulated CPU, and longer the first time, when docker
// copies into a volume what the image has there.
const createTimeout = 5 * time.Minute

// sharedMemory is the size of /dev/shm: docker's own 64 MB are too few for PostgreSQL.
const sharedMemory = "1g"

// OnDocker says whether docker runs the container: images that were built for it have a file that says so.
func (l Layout) OnDocker() (bool, error) {
	text, err := os.ReadFile(l.Engine)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("container: %w", err)
	}
	if name := strings.TrimSpace(string(text)); name != dockerProgram {
		return false, fmt.Errorf("container: %s names an engine that is not known: %.64q", l.Engine, name)
	}
	return true, nil
}

// runDocker makes a new container and, by exec, becomes the docker that starts it and shows its output. The environment is
// read while hold holds it: see [Layout.DropUnstarted].
func (l Layout) runDocker(hold func() (io.Closer, error)) error {
	binary, err := exec.LookPath(dockerProgram)
	if err != nil {
		return err
	}
	for _, dir := range []string{l.RunDir, l.HostDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := shareMounts(l.HostDir); err != nil {
		return err
	}
	if err := l.create(binary, hold); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", binary, unix.Exec(binary, []string{dockerProgram, "start", "--attach", Name}, os.Environ()))
}

// create makes the container, in the place of what a life that ended without a stop has left.
func (l Layout) create(binary string, hold func() (io.Closer, error)) (err error) {
	image, err := ociimage.Read(l.Image)
	if err != nil {
		return err
	}
	env, err := hold()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), createTimeout)
	defer cancel()
	if err := l.dockerd().remove(ctx); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, binary, l.createArgs(image)...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker create: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// createArgs is docker's command line for a container that may see and do what [Layout.Spec] allows one of crun's. What the
// image says itself (its user, directory, command) docker knows. The environment is in a file, where nobody reads it off
// a command line.
func (l Layout) createArgs(image ociimage.Image) []string {
	args := []string{"create", "--name=" + Name, "--pull=never", "--hostname=" + Name, "--network=host", "--env-file=" + l.EnvFile,
		"--security-opt=no-new-privileges", "--shm-size=" + sharedMemory, "--cap-drop=ALL"}
	for _, capability := range capabilities {
		args = append(args, "--cap-add="+strings.TrimPrefix(capability, "CAP_"))
	}
	args = append(args,
		mountArg("type=bind", "source="+l.RunDir, "target="+l.RunDir),
		mountArg("type=bind", "source="+l.HostDir, "target="+l.HostDir, "bind-propagation=rslave"),
		mountArg("type=bind", "source=/etc/hosts", "target=/etc/hosts", "readonly"),
		mountArg("type=bind", "source=/etc/resolv.conf", "target=/etc/resolv.conf", "readonly"),
	)
	for _, volume := range volumePaths(image) {
		args = append(args, mountArg("type=volume", "source="+volumeName(volume), "target="+volume))
	}
	return append(args, dockerImage)
}

// mountArg is one mount: docker reads it as a line of comma-separated values, with quotes where a path needs them.
func mountArg(fields ...string) string {
	var line strings.Builder
	w := csv.NewWriter(&line)
	_ = w.Write(fields) // into memory
	w.Flush()
	return "--mount=" + strings.TrimSuffix(line.String(), "\n")
}

// volumeName is what docker calls the volume of a path: "stack", and the path with a dash for each slash. What docker does
// not take in a name, and a dash, is written as a number, which keeps any two apart.
func volumeName(path string) string {
	name := []byte(Name)
	for _, c := range []byte(filepath.Clean(path)) {
		switch {
		case c == '/':
			name = append(name, '-')
		case c == '.', '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			name = append(name, c)
		default:
			name = fmt.Appendf(name, "_%02x", c)
		}
	}
	return string(name)
}
