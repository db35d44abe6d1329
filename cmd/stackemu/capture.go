package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/status"
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
			jsonFlag(),
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
	outcome, err := captureNow(c, conf)
	if err == nil && c.Bool("json") {
		return printData("capture", outcome)
	}
	return err
}

// captured is the outcome of a capture, in JSON.
type captured struct {
	Captured bool  `json:"captured"` // else there was a snapshot already
	TookMS   int64 `json:"tookMs"`
}

// captureNow captures a snapshot, unless there is one. With --json it shows on standard error how it goes.
func captureNow(c *cli.Context, conf config.Config) (o captured, err error) {
	conf.NoSnapshot = false
	j := job{conf: conf, consoles: []home.Instance{conf.Folders().Capture()}, starts: []messages.Fleet{&messages.CaptureSnapshot{}}}
	j.seen = func(e status.Event) { o.Captured = o.Captured || e.State == lifecycle.Capturing.String() }
	if c.Bool("json") {
		j.out = os.Stderr
	}
	began := time.Now()
	err = foreground(c, j)
	o.TookMS = time.Since(began).Milliseconds()
	return o, err
}
