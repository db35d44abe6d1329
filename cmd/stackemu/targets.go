package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/hostport"
	"github.com/stackemu/stackemu/internal/ports"
	"github.com/stackemu/stackemu/internal/worktree"
)

func nameFlag() cli.Flag {
	return &cli.StringFlag{Name: "name", Usage: "the instance `NAME`, as an argument would; auto makes a name of the git worktree that you are in"}
}

// namesOf are the instances that a command is about: those that are named, or the one that is configured. No name is in it twice.
func namesOf(c *cli.Context) ([]string, error) {
	named := c.Args().Slice()
	if c.IsSet("name") {
		named = append(named, c.String("name"))
	}
	if len(named) == 0 {
		name, err := configuredName(c)
		return []string{name}, err
	}
	var names []string
	for _, name := range named {
		name, err := resolve(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// configuredName is the instance that is meant when none is named.
func configuredName(c *cli.Context) (string, error) {
	conf, err := settings(c)
	if err == nil && c.Command.Name == "stop" {
		err = ambiguous(c)
	}
	if err != nil {
		return "", err
	}
	return resolve(conf.Name)
}

// ambiguous is the error of a stop that would stop another instance than is meant: a file that may name it is wrong. Who only looks is
// told of that, and sees which one it is.
func ambiguous(c *cli.Context) error {
	_, bad, _ := config.LoadSound(sources(c))
	for _, err := range bad {
		if _, ok := errors.AsType[*config.FileError](err); ok {
			return &usage{fmt.Errorf("%w; name the instance, for this may be where its name stands: stackemu stop NAME", err)}
		}
	}
	return nil
}

// resolve checks a name.
func resolve(name string) (string, error) {
	if name == config.AutoName {
		return worktree.Name(".")
	}
	if err := home.CheckName(name); err != nil {
		return "", &usage{err}
	}
	return name, nil
}

// oneName is namesOf for a command that is about one instance.
func oneName(c *cli.Context) (string, error) {
	names, err := namesOf(c)
	if err != nil {
		return "", err
	}
	if len(names) > 1 || c.NArg() > 1 {
		return "", &usage{fmt.Errorf("%s takes one instance name at most", c.Command.Name)}
	}
	return names[0], nil
}

// oneInstance is where the one instance is that a command is about.
func oneInstance(c *cli.Context) (config.Config, home.Instance, error) {
	name, err := oneName(c)
	if err != nil {
		return config.Config{}, home.Instance{}, err
	}
	conf, err := settings(c)
	if err != nil {
		return config.Config{}, home.Instance{}, err
	}
	files, err := conf.Folders().Instance(name)
	if err != nil {
		return config.Config{}, home.Instance{}, &usage{err}
	}
	return conf, files, nil
}

// knownInstance is oneInstance for commands that make none.
func knownInstance(c *cli.Context) (config.Config, home.Instance, error) {
	conf, files, err := oneInstance(c)
	if err == nil {
		suggestInstances(c, conf, files.Name)
	}
	return conf, files, err
}

func archFlag() cli.Flag {
	return &cli.StringFlag{Name: "arch", Usage: "`ARCH` of the guest: amd64 or arm64 (default: EMULATOR_ARCH, or this machine's)"}
}

// runFlags are the flags of everything that starts instances.
func runFlags() []cli.Flag {
	return []cli.Flag{
		nameFlag(),
		archFlag(),
		&cli.StringSliceFlag{Name: "mount", Usage: "let the guest see the directory `DIR[:ro]`, at /host/DIR; may be given up to three times"},
		&cli.BoolFlag{Name: "require-snapshot", Usage: "fail instead of booting from the disk (for CI)"},
		formatFlag(),
		&cli.BoolFlag{Name: "offline", Usage: "never use the network: without an image, fail instead of pulling one"},
	}
}

// runSettings are those of runFlags that are settings.
var runSettings = []string{"arch", "mount", "require-snapshot", "format", "offline"}

// configFor is the configuration of instances that are started, with what the flags of runFlags say.
func configFor(c *cli.Context, names []string) (config.Config, error) {
	conf, err := settings(c, runSettings...)
	if err != nil {
		return conf, err
	}
	if conf, err = conf.FindMounts(); err != nil {
		return conf, &usage{err}
	}
	if len(names) > 1 && conf.Given != (config.Ports{}) {
		return conf, &usage{errors.New("the EMULATOR_*_PORT variables, or ports in stackemu.yaml, give the ports of one instance: unset them to start several")}
	}
	return conf, nil
}

// withPorts is the configuration of one instance: its own block of host ports, but for those that the environment gives.
func withPorts(ctx context.Context, conf config.Config, name string) (config.Config, error) {
	base, err := ports.Base(ctx, conf.Folders(), name, func(port int) bool { return hostport.Check(port) == nil })
	if err != nil {
		return conf, fmt.Errorf("%s: %w", name, err)
	}
	return conf.AtBase(base), nil
}

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Usage: "the `FORMAT` of snapshots: lazy (RAM is mapped, the default where QEMU can) or mapped-ram (RAM is read)"}
}
