package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
)

// showTree shows the actors of an instance's supervisor as they are now.
func showTree(c *cli.Context, conf config.Config, name string) error {
	files, err := conf.Folders().Instance(name)
	if err != nil {
		return &usage{err}
	}
	all, err := control.NewClient(files.ControlSock).Actors(c.Context)
	if err != nil {
		return fmt.Errorf("%s: status: %w", name, notRunningHint(err))
	}
	if c.Bool("json") {
		return printData("status", all)
	}
	return printTree(os.Stdout, all, time.Now())
}

// printTree writes actors, which are sorted by path, as a tree.
func printTree(out io.Writer, all []status.Actor, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACTOR\tSTATE\tRESTARTS\tWAITING\tLAST FAILURE")
	for n, a := range all {
		failure := "-"
		if a.Failure != "" {
			line, _, _ := strings.Cut(a.Failure, "\n")
			failure = view.Clean(line) + ", " + uptime(now.Sub(a.FailedAt)) + " ago"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", branch(all, n), orDash(a.State), a.Restarts, a.Mailbox, failure)
	}
	return w.Flush()
}

// branch is the name of the n-th actor with the lines that lead to it.
func branch(all []status.Actor, n int) string {
	parts := strings.Split(all[n].Path, "/")
	text := ""
	for depth := 1; depth < len(parts); depth++ {
		last := depth == len(parts)-1
		more := hasMore(all[n+1:], strings.Join(parts[:depth], "/")+"/", strings.Join(parts[:depth+1], "/"))
		switch {
		case last && more:
			text += "├─ "
		case last:
			text += "└─ "
		case more:
			text += "│  "
		default:
			text += "   "
		}
	}
	return text + parts[len(parts)-1]
}

// hasMore tells whether a parent has another child after this one.
func hasMore(after []status.Actor, parent, child string) bool {
	for _, a := range after {
		if strings.HasPrefix(a.Path, parent) && a.Path != child && !strings.HasPrefix(a.Path, child+"/") {
			return true
		}
	}
	return false
}
