package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu"
)

// room is a home of its own for one instance, and what runs in it.
type room struct {
	dir      string
	program  string
	setup    setup
	env      []string
	config   config.Config // as the program reads it from env
	services []profile.Service
	pid      string   // the file that names the instance's QEMU
	pids     []string // the same of all QEMUs that may be in the room; absolute paths
	child    *child   // the last one that was run; nil for none
	release  func()   // gives the ports back
}

// readyTimeout is what the program allows a start: measuring a slow machine is no failure.
const readyTimeout = 10 * time.Minute

// newRoom makes a home. It has to be closed.
func (f *folder) newRoom(s setup) (*room, error) {
	dir, err := os.MkdirTemp(f.root, "home-")
	if err != nil {
		return nil, err
	}
	r := &room{dir: dir, program: f.program, setup: s, release: func() {}}
	if err := r.furnish(f); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *room) furnish(f *folder) error {
	first := f.first
	if r.setup.apart {
		var err error
		if first, err = f.ports.block(); err != nil {
			return err
		}
		r.release = func() { f.ports.giveBack(first) }
	}
	r.env = f.environment(r.dir, r.setup, first)
	err := errors.Join(os.Symlink(f.snapshots(), filepath.Join(r.dir, "snapshots")), os.Symlink(f.cache(), filepath.Join(r.dir, "cache")))
	if err != nil {
		return err
	}
	if r.config, err = config.Load(config.Sources{Lookup: lookup(r.env)}); err != nil {
		return err
	}
	r.config.Format = r.setup.format
	files, err := r.config.Folders().Instance(home.DefaultInstance)
	if err != nil {
		return err
	}
	r.pid, r.pids = files.PID, []string{files.PID, r.config.Folders().Capture().PID}
	r.services, err = servicesOf(f.image, r.config)
	return err
}

// environment is the user's, with all that the measures depend on set anew. Of two values of a variable the last one counts;
// an empty one is the program's default.
func (f *folder) environment(dir string, s setup, firstPort int) []string {
	flag := map[bool]string{true: "1"}
	env := append(f.env[:len(f.env):len(f.env)],
		"STACK_EMULATOR_HOME="+dir,
		"EMULATOR_IMAGE_DIR="+f.images(),
		"EMULATOR_RUN_DIR=",
		fmt.Sprintf("EMULATOR_RAM=%d", s.ramMiB),
		"EMULATOR_NO_SNAPSHOT="+flag[s.cold],
		"EMULATOR_NO_ROTATION="+flag[s.stale],
		"EMULATOR_FORCE_CAPTURE=",
		"EMULATOR_SNAPSHOT_FORMAT=",
		fmt.Sprintf("EMULATOR_READY_TIMEOUT=%.0f", readyTimeout.Seconds()),
		fmt.Sprintf("EMULATOR_SNAPSHOT_READY_TIMEOUT=%.0f", readyTimeout.Seconds()))
	if s.blocks {
		return slices.DeleteFunc(env, isPortVariable)
	}
	return append(env, portVariables(firstPort)...)
}

// lookup is os.LookupEnv for a list of variables.
func lookup(env []string) func(string) (string, bool) {
	values := map[string]string{}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		values[name] = value
	}
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

// servicesOf are the services that the image's sidecar names, at the ports of a configuration.
func servicesOf(image home.Image, c config.Config) ([]profile.Service, error) {
	side := struct {
		Profile  string
		Services []string
	}{Profile: "stack-auth"} // an image without a sidecar is the product's own
	text, err := os.ReadFile(image.Sidecar)
	if err == nil {
		err = json.Unmarshal(text, &side)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("image: %s: %w", image.Sidecar, err)
	}
	table, err := c.Table(side.Profile, side.Services)
	return table.Services, err
}

// survey looks at the instance. The caller closes it.
func (r *room) survey(ctx context.Context) (*instance.Instance, snapshot.Parts, error) {
	c := r.config
	c.NoSnapshot = false // else it would not say which
	i, err := instance.Open(c, home.DefaultInstance)
	if err != nil {
		return nil, snapshot.Parts{}, err
	}
	found, err := i.Survey(ctx, instance.Limits{})
	if err == nil && found.Want == nil {
		err = &skip{"this QEMU cannot take snapshots"}
	}
	if err != nil {
		return nil, snapshot.Parts{}, errors.Join(err, i.Close())
	}
	return i, found.Want.Parts, nil
}

// parts is what a snapshot for this room is made of.
func (r *room) parts(ctx context.Context) (snapshot.Parts, error) {
	i, parts, err := r.survey(ctx)
	if err != nil {
		return snapshot.Parts{}, err
	}
	return parts, i.Close()
}

// run starts the program with a command.
func (r *room) run(args ...string) (*child, error) {
	if r.setup.format != "" {
		args = append(args, "--format", string(r.setup.format))
	}
	c, err := startChild(r.program, args, r.env)
	if err == nil {
		r.child = c
	}
	return c, err
}

// goneTimeout is how long a QEMU that was killed may take to be gone: all its memory is given back first.
const goneTimeout = 30 * time.Second

// close ends what runs in the room and removes the room.
func (r *room) close() error {
	if r.child != nil {
		r.child.abandon()
	}
	var errs []error
	// The program has ended its QEMU, unless it was killed itself.
	for _, file := range r.pids {
		if id, err := qemu.ReadPID(file); err == nil {
			errs = append(errs, endQEMU(id))
		}
	}
	r.release()
	if err := os.RemoveAll(r.dir); err != nil {
		errs = append(errs, fmt.Errorf("clean up: %w", err))
	}
	return errors.Join(errs...)
}

func endQEMU(id qemu.Identity) error {
	if err := id.Kill(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), goneTimeout, fmt.Errorf("QEMU (pid %d) does not end", id.PID))
	defer cancel()
	for id.Alive() {
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
