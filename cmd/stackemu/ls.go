package main

import (
	"fmt"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/status"
)

func lsCommand() *cli.Command {
	return &cli.Command{
		Name:        "ls",
		Aliases:     []string{"list"},
		Usage:       "list all instances",
		Description: "An instance is listed as long as its directory is there, run/<instance>.\n\nExample: stackemu ls --json",
		Flags:       []cli.Flag{jsonFlag()},
		Action:      ls,
	}
}

func ls(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("ls takes no argument (%q)", c.Args().First())}
	}
	conf, err := settings(c)
	if err != nil {
		return err
	}
	names, err := conf.Folders().Instances()
	if err != nil {
		return err
	}
	all := make([]status.Status, len(names))
	var asked sync.WaitGroup
	for n, name := range names {
		asked.Go(func() {
			s, err := inspect(c.Context, conf, name)
			if err != nil { // one that cannot be asked is no reason to hide the others
				s = status.New(name)
				s.State, s.Cause = status.Unresponsive, err.Error()
			}
			all[n] = s
		})
	}
	asked.Wait()
	if c.Bool("json") {
		return printData("ls", all)
	}
	if len(all) == 0 {
		fmt.Fprintln(os.Stderr, "there is no instance yet: `stackemu start` makes one")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tUP\tHOW\tPORTS\tDASHBOARD")
	for _, s := range all {
		state, up := s.State+percent(s.Progress), "-"
		if s.State == status.Ready {
			up = uptime(time.Since(s.ReadyAt))
			if !s.Healthy {
				state = "unhealthy"
			}
		}
		dashboard, _ := s.Service(profile.Dashboard)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Instance, state, up, orDash(howOf(s)), orDash(portsOf(conf, s)), orDash(dashboard.URL))
	}
	return w.Flush()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
