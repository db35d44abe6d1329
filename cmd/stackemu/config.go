package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
)

// forgiving are the commands by which people look at instances and stop them: no setting is to keep them from that.
var forgiving = []string{"stop", "status", "ls", "attach", "logs", "trace", "bug-report"}

// settings is the configuration of a command, from all sources. flags are those flags of the command that are settings.
func settings(c *cli.Context, flags ...string) (config.Config, error) {
	if slices.Contains(forgiving, c.Command.Name) {
		return soundSettings(c)
	}
	conf, err := config.Load(sources(c, flags...))
	if err != nil {
		return conf, &usage{err}
	}
	return conf, nil
}

// soundSettings is settings without what is wrong, which it tells once.
func soundSettings(c *cli.Context) (config.Config, error) {
	conf, bad, err := config.LoadSound(sources(c))
	if err != nil {
		return conf, &usage{err}
	}
	const told = "told what is wrong"
	if len(bad) > 0 && c.App.Metadata[told] == nil {
		c.App.Metadata[told], err = true, fmt.Errorf("warning: goes on without what is wrong: %w", bad[0])
		if len(bad) > 1 {
			err = fmt.Errorf("%w (and %d more: `stackemu config check`)", err, len(bad)-1)
		}
		complain(err)
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
