package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// folder is the real lab: a temporary folder beside the image, because hard links need its file system. In it are
//
//	images/       the image by a hard link, so that what is captured leaves no names beside the user's
//	snapshots/    those of this run, whose guests know the ports that they are resumed with
//	cache/        what is asked once per host
//	home-*/       a home for each start, with links to the latter two
type folder struct {
	root    string
	program string
	env     []string
	image   home.Image
	ports   ports
	first   int    // of the ports that captures and most starts use
	packed  string // RAM for unpack; "" until there is one
}

// open makes the folder, and tells what is measured on.
func open(ctx context.Context, o Options) (*folder, Host, error) {
	image := o.Config.Folders().Image(o.Config.Arch)
	if _, err := os.Stat(image.Disk); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w (looked for %s)", instance.ErrNoImage, image.Disk)
		}
		return nil, Host{}, err
	}
	root, err := os.MkdirTemp(filepath.Dir(image.Disk), "bench-")
	if err != nil {
		return nil, Host{}, err
	}
	f := &folder{root: root, program: o.Program, env: o.Env}
	host, err := f.furnish(ctx, o.Config, image)
	if err != nil {
		return nil, Host{}, errors.Join(err, f.close())
	}
	return f, host, nil
}

func (f *folder) furnish(ctx context.Context, c config.Config, image home.Image) (Host, error) {
	for _, dir := range []string{f.images(), f.snapshots(), f.cache()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return Host{}, err
		}
	}
	f.image = home.ImageAt(filepath.Join(f.images(), filepath.Base(image.Disk)))
	if err := os.Link(image.Disk, f.image.Disk); err != nil {
		return Host{}, err
	}
	sidecar, err := os.ReadFile(image.Sidecar)
	if err == nil {
		err = os.WriteFile(f.image.Sidecar, sidecar, 0o600)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Host{}, err
	}
	if f.first, err = f.ports.block(); err != nil {
		return Host{}, err
	}
	return f.host(ctx, setup{ramMiB: c.RAMMiB})
}

// host surveys an instance, which also fills the caches: no start that is measured has to.
func (f *folder) host(ctx context.Context, s setup) (h Host, err error) {
	r, err := f.newRoom(s)
	if err != nil {
		return Host{}, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	parts, err := r.parts(ctx)
	if err != nil {
		return Host{}, err
	}
	cpu, _ := snapshot.HostCPU() // for people
	cpu, _, _ = strings.Cut(cpu, ";")
	return Host{OS: runtime.GOOS, Arch: r.config.Arch, CPUs: runtime.NumCPU(), CPU: cpu, Accel: parts.Accel, QEMU: parts.QEMU,
		Image: parts.ImageDigest, GuestRAM: r.config.RAMMiB, GuestCPUs: r.config.CPUs}, nil
}

func (f *folder) images() string    { return filepath.Join(f.root, "images") }
func (f *folder) snapshots() string { return filepath.Join(f.root, "snapshots") }
func (f *folder) cache() string     { return filepath.Join(f.root, "cache") }

func (f *folder) imageSize() (int64, error) {
	info, err := os.Stat(f.image.Disk)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// close removes everything. The rooms have been closed.
func (f *folder) close() error {
	if err := os.RemoveAll(f.root); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// capture runs the program, in a home that is then gone.
func (f *folder) capture(ctx context.Context, s setup) (err error) {
	r, err := f.newRoom(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if parts, err := r.parts(ctx); err != nil {
		return err
	} else if s.format != "" && parts.Format != s.format {
		return &skip{fmt.Sprintf("this QEMU takes no snapshots in the format %s", s.format)}
	}
	c, err := r.run("capture")
	if err == nil {
		err = c.end(ctx)
	}
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}
