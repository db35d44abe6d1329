package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/guest"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/view"
	"github.com/stackemu/stackemu/qemu"
)

func imageCommand() *cli.Command {
	return &cli.Command{
		Name:  "image",
		Usage: "make images",
		Description: "Images are what instances are made from. `stackemu pull` fetches a published one; this makes one here.\n\n" +
			"Example: stackemu image build",
		Subcommands: []*cli.Command{{
			Name:  "build",
			Usage: "build the reference image, or one around a container image of yours",
			Description: "Builds a Debian VM with the stack in it as one container, boots it once to set up its database, and writes a compressed\n" +
				"qcow2. It takes a few minutes; an image of arm64 on another machine takes five minutes to half an hour, as all its programs are translated, and\n" +
				"needs `scripts/setup.sh --arch arm64`. Instances that run on an older image keep it.\n\nExample: stackemu image build --container my-stack.tar",
			Flags: []cli.Flag{
				archFlag(),
				&cli.StringFlag{Name: "output", Usage: "write the image to `FILE` (default: where `up` looks for it)"},
				&cli.IntFlag{Name: "size", Value: guest.DefaultSizeGiB, Usage: "`GIB` of disk that the guest sees"},
				&cli.StringFlag{Name: "container", Usage: "`ARCHIVE` (docker save or OCI) to run in the place of the reference stack"},
				&cli.StringFlag{Name: "engine", Value: guest.DefaultEngine, Usage: "`ENGINE` that runs the container: crun, or docker for tools that call it"},
				jsonFlag(),
			},
			Action: imageBuild,
		}},
	}
}

func imageBuild(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("image build takes no argument (%q)", c.Args().First())}
	}
	conf, err := settings(c, "arch")
	if err != nil {
		return err
	}
	if err := checkBuild(c); err != nil {
		return &usage{err}
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err = buildImage(ctx, c, conf); err != nil && ctx.Err() != nil {
		err = errInterrupted
	}
	if err != nil {
		return fmt.Errorf("image build: %w", err)
	}
	return nil
}

// engines are what can run a container in an image.
var engines = []string{guest.DefaultEngine, "docker"}

// checkBuild refuses at once what would be refused when a part of the work is done.
func checkBuild(c *cli.Context) error {
	engine, container := c.String("engine"), c.String("container")
	switch {
	case !slices.Contains(engines, engine):
		return fmt.Errorf("--engine %q: want %s", engine, strings.Join(engines, " or "))
	case engine != guest.DefaultEngine && container == "":
		return fmt.Errorf("--engine %s is for a container of yours (--container): the reference stack has no use for it", engine)
	case c.Int("size") < 3 || c.Int("size") > 1024:
		return fmt.Errorf("--size %d: want 3 to 1024 GiB", c.Int("size"))
	case !c.IsSet("container"):
		return nil
	}
	if _, err := os.Stat(container); err != nil {
		return fmt.Errorf("--container: %w", err)
	}
	return nil
}

func buildImage(ctx context.Context, c *cli.Context, conf config.Config) error {
	image, err := imageToBuild(c.String("output"), conf)
	if err != nil {
		return err
	}
	unlock, err := lockImage(image)
	if err != nil {
		return err
	}
	defer unlock()

	terminal, noColor := view.Detect(os.Stderr, os.LookupEnv)
	screen := view.New(os.Stderr, terminal, noColor)
	defer screen.Close()
	var logs io.Writer = os.Stderr
	if terminal {
		logs = screen // the block would be torn by another writer
	}
	log, err := logger(c, logs)
	if err != nil {
		return err
	}
	binary, accel, err := accelerated(ctx, conf, screen, log)
	if err != nil {
		return err
	}
	if conf.Arch != runtime.GOARCH {
		screen.Line(view.Info, "programs of "+conf.Arch+" are translated, also those that install packages: this takes five minutes to half an hour on two cores")
	}
	began := time.Now()
	built, err := guest.Build(ctx, guest.Options{
		Arch: conf.Arch, Output: image.Disk, SizeGiB: c.Int("size"), Container: c.String("container"), Engine: c.String("engine"), Profile: conf.Profile,
		Qemu: binary, Accel: accel, Progress: func(s guest.Stage) { showStage(screen, s, time.Since(began)) },
	})
	if err != nil {
		return err
	}
	screen.Close()
	if c.Bool("json") {
		return printData("image build", map[string]any{"path": built.Path, "size": built.Size, "digest": built.Digest, "tookMs": built.Took.Milliseconds()})
	}
	fmt.Printf("%s  %.0f MB  %s  built in %.0f s\n", built.Path, float64(built.Size)/1e6, built.Digest, built.Took.Seconds())
	return nil
}

// imageToBuild is the given path, or the place where `up` looks for the image.
func imageToBuild(output string, conf config.Config) (home.Image, error) {
	if output == "" {
		folders := conf.Folders()
		return folders.Image(conf.Arch), folders.Create()
	}
	path, err := filepath.Abs(output)
	return home.ImageAt(path), err
}

// lockImage makes this process the image's only writer.
func lockImage(image home.Image) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(image.Lock), 0o755); err != nil {
		return nil, err
	}
	lock := flock.New(image.Lock, flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !held {
		return nil, errors.New("another process is writing " + image.Disk)
	}
	return func() { _ = lock.Close() }, nil
}

// accelerated finds QEMU, and what really runs guests here. The layout is the one that images are first booted under.
func accelerated(ctx context.Context, conf config.Config, screen *view.View, log zerolog.Logger) (*qemu.Binary, qemu.Accel, error) {
	arch := qemu.Arch(conf.Arch)
	binary, err := qemu.Find(ctx, arch)
	if err != nil {
		return nil, "", err
	}
	cache := conf.Folders().Cache
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, "", err
	}
	choice, err := qemu.ProbeAccel(ctx, binary, qemu.Default(arch, conf.RAMMiB, conf.CPUs), cache)
	if choice.Note != "" {
		screen.Line(view.Warn, choice.Note)
	}
	log.Debug().Str("accel", string(choice.Accel)).Str("detail", choice.Detail).AnErr("error", err).Msg("accelerator")
	return binary, choice.Accel, err
}

func showStage(screen *view.View, s guest.Stage, since time.Duration) {
	const name = "image"
	switch {
	case s.Detail != "":
		screen.Serial(name, s.Detail)
	case s.Took == 0:
		screen.State(name, s.Name, since, "")
	}
}
