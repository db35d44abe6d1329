package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/envtext"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/status"
)

func envCommand() *cli.Command {
	return &cli.Command{
		Name:      "env",
		Usage:     "print what a program needs to use an instance",
		ArgsUsage: "[NAME]",
		Description: "Where the services are, and the project and publishable key of the emulator's own dashboard. The secret keys of a project\n" +
			"of yours are not among them.\n\nExample: eval \"$(stackemu env --format shell)\"\nExample: stackemu env --prefix NEXT_PUBLIC_ >.env.local",
		Flags: []cli.Flag{
			nameFlag(),
			&cli.StringFlag{Name: "format", Value: "dotenv", Usage: "`FORMAT` is dotenv, shell (export lines) or json"},
			&cli.StringFlag{Name: "prefix", Usage: "put `P` before every name, for instance VITE_"},
		},
		Action: env,
	}
}

func env(c *cli.Context) error {
	_, files, err := oneInstance(c)
	if err != nil {
		return err
	}
	write, ok := envtext.Formats[c.String("format")]
	if !ok {
		return &usage{fmt.Errorf("--format %q: want dotenv, shell or json", c.String("format"))}
	}
	prefix := c.String("prefix")
	if !envtext.Name(prefix + "X") {
		return &usage{fmt.Errorf("--prefix %q: want letters, digits and _, not beginning with a digit", prefix)}
	}
	s, err := control.NewClient(files.ControlSock).Status(c.Context)
	if err != nil {
		return fmt.Errorf("%s: env: %w", files.Name, notRunningHint(err))
	}
	vars, err := variables(s, files)
	if err != nil {
		return fmt.Errorf("%s: env: %w", files.Name, err)
	}
	for n := range vars {
		vars[n].Name = prefix + vars[n].Name
	}
	return write(os.Stdout, vars)
}

// internalProject is the project that the emulator's own dashboard belongs to.
const internalProject = "internal"

// variables are what a program needs, in the order in which people read it.
func variables(s status.Status, files home.Instance) ([]envtext.Var, error) {
	if len(s.Services) == 0 {
		return nil, errors.New("it is not ready yet")
	}
	key, err := os.ReadFile(files.PublishedKey)
	if err != nil {
		return nil, fmt.Errorf("the publishable key is not there yet: %w", err)
	}
	vars := []envtext.Var{{Name: "STACK_EMULATOR_INSTANCE", Value: s.Instance}}
	if backend, ok := s.Service(profile.Backend); ok {
		vars = append(vars, envtext.Var{Name: "STACK_API_URL", Value: backend.URL})
	}
	vars = append(vars,
		envtext.Var{Name: "STACK_PROJECT_ID", Value: internalProject},
		envtext.Var{Name: "STACK_PUBLISHABLE_CLIENT_KEY", Value: strings.TrimSpace(string(key))})
	for _, x := range s.Services {
		name := "STACK_" + strings.ToUpper(strings.ReplaceAll(x.Name, "-", "_"))
		vars = append(vars, envtext.Var{Name: name + "_URL", Value: x.URL}, envtext.Var{Name: name + "_PORT", Value: fmt.Sprint(x.Port)})
	}
	return vars, nil
}
