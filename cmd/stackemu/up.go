package main

import (
	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/messages"
)

func upCommand() *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "start an instance and stay in the foreground until Ctrl-C",
		ArgsUsage: "[NAME...]",
		Description: "Resumes the instance where it was stopped, or a snapshot of the healthy image, which is captured first if there is none;\n" +
			"waits until every service is healthy and prints where they are. Ctrl-C saves what the instance has become for the next\n" +
			"start; a second Ctrl-C does not wait for that.\n\nExample: EMULATOR_RAM=2048 stackemu up",
		Flags: append(runFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "go on in the background once it is ready: the same as `stackemu start`"}),
		Action: up,
	}
}

// up is the foreground runner of instances.
func up(c *cli.Context) error {
	if c.Bool("detach") {
		return start(c)
	}
	names, err := namesOf(c)
	if err != nil {
		return err
	}
	conf, err := configFor(c, names)
	if err != nil {
		return err
	}
	if err := withImage(c, conf, names); err != nil {
		return err
	}
	j := job{conf: conf}
	for _, name := range names {
		own, err := withPorts(c.Context, conf, name)
		if err != nil {
			return err
		}
		m, err := newMember(name, own)
		if err != nil {
			return err
		}
		j.members = append(j.members, m)
		j.consoles = append(j.consoles, m.files)
		j.starts = append(j.starts, &messages.StartInstance{Instance: name})
	}
	return foreground(c, j)
}
