package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/service"
)

func serviceCommand() *cli.Command {
	one := func(name, usage, description string, action func(*cli.Context, *service.Manager, config.Config, home.Instance) error) *cli.Command {
		c := &cli.Command{Name: name, Usage: usage, ArgsUsage: "[NAME]", Description: description, Flags: []cli.Flag{nameFlag(), jsonFlag()},
			Action: func(c *cli.Context) error {
				conf, files, err := oneInstance(c)
				if err != nil {
					return err
				}
				m, err := services()
				if err == nil {
					err = action(c, m, conf, files)
				}
				var code exitStatus
				if err != nil && !errors.As(err, &code) {
					return fmt.Errorf("%s: service: %w", files.Name, err)
				}
				return err
			}}
		return c
	}
	return &cli.Command{
		Name:  "service",
		Usage: "have an instance started with your session, by systemd or launchd",
		Description: "An instance with a service is started when you log in, and started again when it has failed.\n\n" +
			"Example: stackemu service install",
		Subcommands: []*cli.Command{
			one("install", "start an instance with every session from now on",
				"Writes a systemd user unit, on macOS a launch agent, which runs the instance as `stackemu start` does, with the settings of\n"+
					"this folder and of the environment as it is now. An instance that runs is left alone. Doing it again is harmless, and takes\n"+
					"over what has changed.\n\nExample: stackemu service install", installService),
			one("remove", "undo that", "The instance's data stays.\n\nExample: stackemu service remove", removeService),
			one("status", "tell whether an instance has a service, and how that is", "Exit code 3: it has none.\n\nExample: stackemu service status", statusOfService),
		},
	}
}

// services is the manager of services of this system.
func services() (*service.Manager, error) {
	dir, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	switch runtime.GOOS {
	case "linux":
		return service.Systemd(service.ConfigFolder(dir)), nil
	case "darwin":
		return service.Launchd(dir, os.Getuid()), nil
	}
	return nil, fmt.Errorf("there are no services on %s", runtime.GOOS)
}

func installService(c *cli.Context, m *service.Manager, conf config.Config, files home.Instance) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := files.Create(); err != nil { // launchd opens the log before we run
		return err
	}
	done, err := m.Install(c.Context, service.Spec{Instance: files.Name, Program: program, Args: []string{superviseName, "--", files.Name},
		Dir: dir, Env: serviceEnvironment(os.Environ()), Log: filepath.Join(files.Dir, "launchd.log")})
	if c.Bool("json") {
		return serviceData(c, files.Name, m.Path(files.Name), done, err)
	}
	tellDone(files.Name, done)
	if err != nil {
		return err
	}
	if runtime.GOOS == "linux" {
		fmt.Printf("Start it now: systemctl --user start %s (`stackemu stop` before that, if it runs)\n", filepath.Base(m.Path(files.Name)))
		fmt.Println("Start it without a session, with the machine: loginctl enable-linger")
	}
	fmt.Printf("Undo it: stackemu service remove %s\n", files.Name)
	return nil
}

func removeService(c *cli.Context, m *service.Manager, _ config.Config, files home.Instance) error {
	done, err := m.Remove(c.Context, files.Name)
	if c.Bool("json") {
		return serviceData(c, files.Name, "", done, err)
	}
	tellDone(files.Name, done)
	if err == nil && len(done) == 0 {
		fmt.Printf("%s  has no service\n", files.Name)
	}
	return err
}

// serviceData is what was done, in JSON. path is where the service is now.
func serviceData(c *cli.Context, name, path string, done []string, err error) error {
	if err != nil {
		return err
	}
	return printData("service "+c.Command.Name, map[string]any{"instance": name, "path": path, "done": append([]string{}, done...)})
}

func tellDone(name string, done []string) {
	for _, words := range done {
		fmt.Printf("%s  %s\n", name, words)
	}
}

func statusOfService(c *cli.Context, m *service.Manager, _ config.Config, files home.Instance) error {
	installed, words, err := m.Status(c.Context, files.Name)
	if err != nil {
		return err
	}
	switch {
	case c.Bool("json") && installed:
		err = printData("service status", map[string]any{"instance": files.Name, "installed": true, "path": m.Path(files.Name), "state": words})
	case c.Bool("json"):
		err = printData("service status", map[string]any{"instance": files.Name, "installed": false})
	case installed:
		fmt.Printf("%s  %s  %s\n", files.Name, m.Path(files.Name), words)
	default:
		fmt.Printf("%s  has no service\n", files.Name)
	}
	if err == nil && !installed {
		return exitStatus(exitStopped)
	}
	return err
}

// serviceEnvironment is what of our environment the service needs to do the same as we would. Others may read it there: no token
// is among it.
func serviceEnvironment(all []string) (some []string) {
	for _, v := range all {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case value == "" || strings.ContainsAny(value, "\n\r"):
		case name == "PATH", name == "STACK_EMULATOR_HOME", name == config.FileVariable, name == "XDG_CONFIG_HOME", name == "PORT_PREFIX", name == "NEXT_PUBLIC_STACK_PORT_PREFIX",
			strings.HasPrefix(name, "EMULATOR_"), strings.HasPrefix(name, "QEMU_"):
			some = append(some, v)
		}
	}
	return some
}
