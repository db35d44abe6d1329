package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/messages"
)

func upCommand() *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "start an instance and stay in the foreground until Ctrl-C",
		ArgsUsage: "[NAME...]",
		Description: "Resumes the instance where it was stopped, or a snapshot of the healthy image, which is captured first if there is none;\n" +
			"waits until every service is healthy and prints where they are. Ctrl-C saves what the instance has become for the next\n" +
			"start; a second Ctrl-C does not wait for that. On a terminal it is a live screen, with keys: q stops, r restarts, o opens the\n" +
			"dashboard, l shows or hides the end of the guest's console, ? explains them.\n\nExample: EMULATOR_RAM=2048 stackemu up",
		Flags: append(runFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "go on in the background once it is ready: the same as `stackemu start`"},
			&cli.BoolFlag{Name: "ui", Usage: "serve a live page about all instances meanwhile, as `stackemu ui` does"},
			&cli.BoolFlag{Name: "open", Usage: "with --ui: open the page in the browser"},
			&cli.BoolFlag{Name: "json", Usage: "with --detach: print one JSON object"},
			configFileFlag()),
		Action: up,
	}
}

// up is the foreground runner of instances.
func up(c *cli.Context) error {
	switch detach := c.Bool("detach"); {
	case detach && c.Bool("ui"):
		return &usage{errors.New("up --detach leaves nobody to serve a page: `stackemu ui` does")}
	case detach:
		return start(c)
	case c.Bool("json"):
		return &usage{errors.New("up --json goes with --detach only; `stackemu attach --json` tells what happens to an instance")}
	case c.IsSet(configFileName):
		return &usage{fmt.Errorf("up --%[1]s goes with --detach only; `stackemu run --%[1]s FILE -- COMMAND` gives a command the credentials", configFileName)}
	}
	names, err := namesOf(c)
	if err != nil {
		return err
	}
	conf, err := configFor(c, names)
	if err != nil {
		return err
	}
	j, err := upJob(c, conf, names)
	if err != nil {
		return err
	}
	if c.Bool("ui") {
		page, err := openUI(conf, 0, names[0], c.Bool("open"))
		if err != nil {
			return err
		}
		defer page.close()
	}
	return foreground(c, j)
}

// upJob is to start instances.
func upJob(c *cli.Context, conf config.Config, names []string) (job, error) {
	j := job{conf: conf, again: func() (job, error) { return upJob(c, conf, names) }}
	for _, name := range names {
		own, err := withPorts(c.Context, conf, name)
		if err != nil {
			return j, err
		}
		m, err := newMember(name, own)
		if err != nil {
			return j, err
		}
		j.members = append(j.members, m)
		j.consoles = append(j.consoles, m.files)
		j.starts = append(j.starts, &messages.StartInstance{Instance: name})
	}
	return j, nil
}
