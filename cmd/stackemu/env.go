package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/envtext"
	"github.com/stackemu/stackemu/internal/guestapi"
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
			jsonFlag(),
		},
		Action: env,
	}
}

func env(c *cli.Context) error {
	_, files, err := knownInstance(c)
	if err != nil {
		return err
	}
	write, ok := envtext.Formats[c.String("format")]
	if !ok {
		return &usage{fmt.Errorf("--format %q: want dotenv, shell or json", c.String("format"))}
	}
	if c.Bool("json") && c.IsSet("format") {
		return &usage{errors.New("env: --json and --format contradict each other: --format json prints the variables alone")}
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
	if !c.Bool("json") {
		return write(os.Stdout, vars)
	}
	data := map[string]string{}
	for _, v := range vars {
		data[v.Name] = v.Value
	}
	return printData("env", data)
}

var publishedForm = regexp.MustCompile(`^[0-9a-f]{64}\n?$`)

// internalProject is the project that the emulator's own dashboard belongs to.
const internalProject = "internal"

// variables are what a program needs, in the order in which people read it.
func variables(s status.Status, files home.Instance) ([]envtext.Var, error) {
	if len(s.Services) == 0 {
		return nil, errors.New("it is not ready yet")
	}
	vars := []envtext.Var{{Name: "STACK_EMULATOR_INSTANCE", Value: s.Instance}}
	if backend, ok := s.Service(profile.Backend); ok {
		vars = append(vars, envtext.Var{Name: "STACK_API_URL", Value: backend.URL})
	}
	if hasKey(files) {
		key, err := publishedKey(s.Instance, files)
		if err != nil {
			return nil, err
		}
		vars = append(vars, envtext.Var{Name: "STACK_PROJECT_ID", Value: internalProject}, envtext.Var{Name: "STACK_PUBLISHABLE_CLIENT_KEY", Value: key})
	}
	for _, x := range s.Services {
		name := "STACK_" + strings.ToUpper(strings.ReplaceAll(x.Name, "-", "_"))
		vars = append(vars, envtext.Var{Name: name + "_URL", Value: x.URL}, envtext.Var{Name: name + "_PORT", Value: fmt.Sprint(x.Port)})
	}
	return vars, nil
}

// hasKey says whether what runs has a publishable key: an image with a profile of its own may be of another product.
func hasKey(files home.Instance) bool {
	var record struct {
		Profile profile.Profile `json:"profile"`
	}
	text, err := os.ReadFile(files.Running)
	if err != nil || json.Unmarshal(text, &record) != nil || record.Profile.Rotation == nil {
		return true
	}
	return slices.Contains(record.Profile.Rotation.Secrets, guestapi.PublishableClientKey)
}

// publishedKey is the publishable client key of a running instance.
func publishedKey(instance string, files home.Instance) (string, error) {
	key, err := os.ReadFile(files.PublishedKey)
	if err != nil {
		return "", fmt.Errorf("the publishable key is not there yet: %w", err)
	}
	if !publishedForm.Match(key) {
		return "", fmt.Errorf("the publishable key is damaged (%s): `stackemu restart %s` makes another one", files.PublishedKey, instance)
	}
	return strings.TrimSpace(string(key)), nil
}
