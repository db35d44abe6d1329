package stackenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/guest/tools/configdisk"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/private"
	"github.com/stackemu/stackemu/guest/tools/secret"
)

// The files of RunDir, which the guest shows to the container. The second is laid over the first. RotatedFile is also the
// name of the copy in KeyDir that lasts.
const (
	EnvFile     = "local-emulator.env"
	RotatedFile = "rotated-secrets.env"
)

// The files of StateDir: what the environment is rendered from in this boot, the lock, and the mark of [Guest.Stale].
const (
	baseFile    = "base.env"
	runtimeFile = "runtime.env"
	lockFile    = "lock"
	staleFile   = "stale"
)

// Paths are the places of a guest that its environment is read from and written to.
type Paths struct {
	SysBlock, Dev string // where disks are looked for
	BuildEnv      string // build.env, kept by the provisioning
	KeyDir        string // on the disk: kept and rotated secrets
	RunDir        string // in RAM, shown to the container: its environment
	StateDir      string // in RAM, the guest's own
}

// GuestPaths are the paths of a real guest.
var GuestPaths = Paths{
	SysBlock: "/sys/block",
	Dev:      "/dev",
	BuildEnv: "/etc/stack-build.env",
	KeyDir:   "/var/lib/stack-auth",
	RunDir:   "/run/stack-auth",
	StateDir: "/run/stackguest",
}

// Guest is the environment of one guest, held by one process at a time: a boot that renders it and a host that changes it
// would otherwise undo each other's work.
type Guest struct {
	paths Paths
	lock  *flock.Flock
}

// Open waits until no other process holds the environment, and takes it. The caller must Close it. The wait is bounded
// because every holder bounds its own work.
func Open(p Paths) (*Guest, error) {
	for dir, mode := range map[string]os.FileMode{p.StateDir: 0o700, p.RunDir: 0o755, p.KeyDir: 0o755} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return nil, fmt.Errorf("stackenv: %w", err)
		}
	}
	lock := flock.New(filepath.Join(p.StateDir, lockFile), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("stackenv: %w", err)
	}
	return &Guest{p, lock}, nil
}

// Close lets the next process in.
func (g *Guest) Close() error { return g.lock.Close() }

// Prepare renders the environment at the start of the container. A guest without a config disk gets the defaults: an image
// must also start by itself.
func Prepare(p Paths) (err error) {
	g, err := Open(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	if err := g.readDisk(); err != nil {
		return err
	}
	if err := g.render(); err != nil {
		return err
	}
	return g.MarkFresh() // nothing runs yet
}

// readDisk copies the config disk's files to StateDir, those that are not there yet. They are read once in a boot: after a
// resume, what the kernel has cached is another instance's disk, and what the host has said since counts for more.
func (g *Guest) readDisk() error {
	names := []string{baseFile, runtimeFile}
	var missing []string
	for _, name := range names {
		if _, err := os.Stat(g.state(name)); errors.Is(err, os.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	files, err := configdisk.Read(g.paths.SysBlock, g.paths.Dev, configdisk.Label)
	if err != nil && !errors.Is(err, configdisk.ErrNotFound) {
		return err
	}
	for _, name := range missing {
		vars, err := envfile.Parse(files[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := vars.Write(g.state(name)); err != nil {
			return err
		}
	}
	return nil
}

// CheckRuntime says whether runtime may become this guest's runtime.env: a bad one would keep the container from starting.
func CheckRuntime(runtime envfile.Vars) error {
	if _, err := runtime.Format(); err != nil {
		return err
	}
	_, err := Render(Inputs{Runtime: runtime, Secrets: secret.Placeholders()})
	return err
}

// SetRuntime replaces runtime.env of the config disk for this boot.
func (g *Guest) SetRuntime(runtime envfile.Vars) error {
	if err := CheckRuntime(runtime); err != nil {
		return err
	}
	if err := runtime.Write(g.state(runtimeFile)); err != nil {
		return err
	}
	return g.update()
}

// SetSecrets puts rotated secrets in the place of those that the guest has, for good: on the disk first, synced, then where
// the container sees them. A process that is killed in between leaves a guest that the next call puts right.
func (g *Guest) SetSecrets(set map[string]string) error {
	if err := secret.CheckAll(set); err != nil {
		return err
	}
	vars := envfile.Vars{}
	vars.Merge(set)
	Mirror(vars)
	text, err := vars.Format()
	if err != nil {
		return err
	}
	if err := private.Replace(filepath.Join(g.paths.KeyDir, RotatedFile), text); err != nil {
		return err
	}
	return g.update()
}

// update renders again what has been rendered already. Before the container's first start there is nothing to render yet,
// and rotated secrets are shown by [Prepare], too.
func (g *Guest) update() error {
	if _, err := os.Stat(g.state(baseFile)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return g.render()
}

// render writes the files of RunDir. When they change it says before, by the mark, that running services are stale.
func (g *Guest) render() error {
	in := Inputs{}
	var err error
	if in.Base, err = envfile.ReadIfExists(g.state(baseFile)); err != nil {
		return err
	}
	if in.Runtime, err = envfile.ReadIfExists(g.state(runtimeFile)); err != nil {
		return err
	}
	rotated, err := envfile.ReadIfExists(filepath.Join(g.paths.KeyDir, RotatedFile))
	if err != nil {
		return err
	}
	if in.Secrets, err = g.secrets(rotated); err != nil {
		return err
	}
	env, err := Render(in)
	if err != nil {
		return err
	}
	for name, vars := range map[string]envfile.Vars{EnvFile: env, RotatedFile: rotated} {
		if err := g.show(name, vars); err != nil {
			return err
		}
	}
	return nil
}

func (g *Guest) show(name string, vars envfile.Vars) error {
	path := filepath.Join(g.paths.RunDir, name)
	text, err := vars.Format()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == string(text) {
		return nil
	}
	if len(text) == 0 {
		return nil // never rotated
	}
	if err := g.MarkStale(); err != nil {
		return err
	}
	return private.Write(path, text)
}

// secrets returns the rotated secrets; where there are none, the placeholders if the build asked for them, so that a
// capture holds nothing real, and the guest's own otherwise.
func (g *Guest) secrets(rotated envfile.Vars) (map[string]string, error) {
	if len(rotated) > 0 {
		set := map[string]string{}
		for _, name := range secret.Names() {
			set[name] = rotated[name]
		}
		return set, secret.CheckAll(set)
	}
	build, err := envfile.ReadIfExists(g.paths.BuildEnv)
	if err != nil {
		return nil, err
	}
	if build[BuildSnapshot] == "1" {
		return secret.Placeholders(), nil
	}
	return secret.Kept(g.paths.KeyDir)
}

// MarkStale notes that services which run now may have an environment that is no longer the guest's.
func (g *Guest) MarkStale() error { return private.Write(g.state(staleFile), nil) }

// Stale says whether running services have to be restarted.
func (g *Guest) Stale() (bool, error) {
	_, err := os.Stat(g.state(staleFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// MarkFresh notes that no running service is older than the environment.
func (g *Guest) MarkFresh() error {
	if err := os.Remove(g.state(staleFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (g *Guest) state(name string) string { return filepath.Join(g.paths.StateDir, name) }
