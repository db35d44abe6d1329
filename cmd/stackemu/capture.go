package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/messages"
)

func captureCommand() *cli.Command {
	return &cli.Command{
		Name:  "capture",
		Usage: "capture the snapshot that instances are resumed from",
		Description: "Boots the image, waits until every service is healthy and stores the machine as it is then. `up` does the same by itself when\n" +
			"there is no snapshot that fits this host, image and configuration. Without an image the latest one is pulled first.\n\nExample: stackemu capture --force",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "capture a new snapshot even if there is one"},
			archFlag(),
			formatFlag(),
		},
		Action: capture,
	}
}

func capture(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("capture takes no argument")}
	}
	conf, err := settings(c, "arch", "format")
	if err != nil {
		return err
	}
	conf.ForceCapture = conf.ForceCapture || c.Bool("force")
	conf.NoSnapshot = false
	return foreground(c, job{conf: conf, consoles: []home.Instance{conf.Folders().Capture()}, starts: []messages.Fleet{&messages.CaptureSnapshot{}}})
}
