package main

import (
	"github.com/urfave/cli/v2"
)

func restartCommand() *cli.Command {
	flags := append(runFlags(), stopFlags()[1:]...) // the name is in both
	return &cli.Command{
		Name:        "restart",
		Usage:       "stop instances and start them again in the background",
		ArgsUsage:   "[NAME...]",
		Description: "The same as `stackemu stop` and `stackemu start`.\n\nExample: stackemu restart pr-42",
		Flags:       append(flags, jsonFlag()),
		Action:      restart,
	}
}

func restart(c *cli.Context) error {
	names, err := namesOf(c)
	if err != nil {
		return err
	}
	conf, err := configFor(c, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := stopOne(c.Context, c, conf, name); err != nil {
			return err
		}
	}
	return startAll(c, names)
}
