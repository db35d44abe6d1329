package main

import (
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
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
	if err := checkTimeout(c); err != nil {
		return err
	}
	names, err := namesOf(c)
	if err != nil {
		return err
	}
	conf, err := configFor(c, names)
	if err != nil {
		return err
	}
	if err := stopEach(c, conf, names); err != nil {
		return err
	}
	return startAll(c, names)
}

// stopEach stops one instance after the other, until a signal.
func stopEach(c *cli.Context, conf config.Config, names []string) error {
	ctx, cancel := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	for _, name := range names {
		if _, err := stopOne(ctx, c, conf, name); err != nil {
			return err
		}
	}
	return nil
}
