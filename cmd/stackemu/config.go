package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
)

// settings is the configuration of a command, from all sources. flags are those flags of the command that are settings.
func settings(c *cli.Context, flags ...string) (config.Config, error) {
	conf, err := config.Load(sources(c, flags...))
	if err != nil {
		return conf, &usage{err}
	}
	return conf, nil
}

// sources are those of a command.
func sources(c *cli.Context, flags ...string) config.Sources {
	dir, _ := os.Getwd() // where there is none, there is no project either
	s := config.Sources{Lookup: os.LookupEnv, Dir: dir, Flags: map[string][]string{}}
	for _, name := range flags {
		if !c.IsSet(name) {
			continue
		}
		texts := []string{fmt.Sprint(c.Value(name))}
		if list, ok := c.Value(name).(cli.StringSlice); ok {
			texts = list.Value()
		}
		s.Flags["--"+name] = texts
	}
	return s
}
