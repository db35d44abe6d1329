package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/download/image"
)

func listReleasesCommand() *cli.Command {
	return &cli.Command{
		Name:        "list-releases",
		Usage:       "list the images that are published",
		Description: "Lists the emulator's releases, newest first, and says which one is installed here.\n\nExample: stackemu list-releases --limit 5",
		Flags: []cli.Flag{
			repoFlag(),
			&cli.IntFlag{Name: "limit", Value: 20, Usage: "list `N` releases at most"},
			jsonFlag(),
		},
		Action: listReleases,
	}
}

func listReleases(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("list-releases takes no argument (%q)", c.Args().First())}
	}
	if n := c.Int("limit"); n < 1 || n > 1000 {
		return &usage{fmt.Errorf("--limit %d: want 1 to 1000", n)}
	}
	conf, err := settings(c, "repo")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	list, err := puller(conf).Releases(ctx, conf.ImageRepo, c.Int("limit"))
	if err != nil && ctx.Err() != nil {
		err = errInterrupted
	}
	if err != nil {
		return fmt.Errorf("list-releases: %w", err)
	}
	if c.Bool("json") {
		return printData("list-releases", map[string]any{"releases": list})
	}
	return printReleases(os.Stdout, list)
}

func printReleases(w io.Writer, list []image.Published) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "there is no emulator release")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TAG\tKIND\tDATE\tIMAGES\tINSTALLED")
	for _, r := range list {
		var images, installed []string
		for _, i := range r.Images {
			images = append(images, fmt.Sprintf("%s %s", i.Arch, download.Bytes(i.Size)))
			if i.Installed {
				installed = append(installed, i.Arch)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", printable(r.Tag), r.Kind, r.Date.Format(time.DateOnly), strings.Join(images, ", "), strings.Join(installed, ", "))
	}
	return t.Flush()
}

// printable takes out of a name from elsewhere what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
