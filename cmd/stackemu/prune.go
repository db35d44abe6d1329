package main

import (
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/prune"
)

func pruneCommand() *cli.Command {
	return &cli.Command{
		Name:  "prune",
		Usage: "remove what nothing needs any more",
		Description: "Removes snapshots that nothing here can be resumed from (their image is gone, or another QEMU, processor or stackemu has\n" +
			"captured them), what was replaced or set aside, downloads that nobody has gone on with for a day, what killed commands have\n" +
			"left, sessions that were set aside a week ago, and the logs of instances without data, unused for a week. The data of\n" +
			"instances, images and snapshots of use stay, and so does all that is in use now: so nothing is asked.\n\nExample: stackemu prune --dry-run",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "remove nothing, and say what would be"},
			jsonFlag(),
		},
		Action: pruneHome,
	}
}

func pruneHome(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("prune takes no argument (%q)", c.Args().First())}
	}
	conf, err := settings(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	dry := c.Bool("dry-run")
	result, err := prune.Run(ctx, conf, time.Now(), dry)
	if err != nil {
		err = fmt.Errorf("prune: %w", err)
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("prune: %w; nothing is half done", errInterrupted)
	}
	if !c.Bool("json") {
		printPruned(result, conf.Home, dry)
		return err
	}
	if err != nil {
		return err
	}
	return printData("prune", struct {
		DryRun bool `json:"dryRun"`
		prune.Result
		Bytes int64 `json:"bytes"`
	}{dry, result, result.Bytes()})
}

// printPruned names things as they are called in the home.
func printPruned(r prune.Result, home string, dry bool) {
	short := func(path string) string {
		if rel, err := filepath.Rel(home, path); err == nil && !strings.HasPrefix(rel, "..") {
			return rel
		}
		return path
	}
	for _, item := range r.Removed {
		fmt.Printf("%s %s, %s: %s\n", pruneVerb(dry), short(item.Path), size(item.Bytes), item.Why)
	}
	for _, item := range r.Held {
		fmt.Printf("left %s: it is in use (%s)\n", short(item.Path), item.Why)
	}
	fmt.Println(pruneSum(dry, len(r.Removed), r.Bytes()))
}

func pruneVerb(dry bool) string {
	if dry {
		return "would remove"
	}
	return "removed"
}

// pruneSum is the last line.
func pruneSum(dry bool, n int, bytes int64) string {
	if n == 0 {
		return "there is nothing to remove"
	}
	return fmt.Sprintf("%s %d, %s in all", pruneVerb(dry), n, size(bytes))
}
