package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "tell how an instance is",
		ArgsUsage: "[NAME]",
		Description: "Exit code 0: it is healthy. 3: it is stopped. 4: it is starting or stopping, or a service is not healthy, or its supervisor\n" +
			"is gone. 5: its last run has failed.\n\nExample: stackemu status --json",
		Flags: []cli.Flag{nameFlag(), jsonFlag(),
			&cli.BoolFlag{Name: "tree", Usage: "show the actors of its supervisor: states, restarts, messages that wait, last failures"}},
		Action: showStatus,
	}
}

// exitStatus is an exit code without words: what there is to say has been said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func showStatus(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	conf, err := settings(c)
	if err != nil {
		return err
	}
	suggestInstances(c, conf, name)
	if c.Bool("tree") {
		return showTree(c, conf, name)
	}
	s, err := inspect(c.Context, conf, name)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printData("status", s)
	} else {
		err = printStatus(os.Stdout, s, time.Now())
	}
	if code := exitStatusOf(s); err == nil && code != 0 {
		return code
	}
	return err
}

// exitStatusOf is a status as an exit code.
func exitStatusOf(s status.Status) exitStatus {
	switch {
	case s.Healthy:
		return 0
	case s.State == status.Stopped:
		return exitStopped
	case s.State == status.Failed:
		return exitBroken
	}
	return exitUnhealthy
}

// printStatus writes a status for people. What is not known is left out.
func printStatus(out io.Writer, s status.Status, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, view.Clean(value))
		}
	}
	row("instance", s.Instance)
	row("state", stateInWords(s, now))
	if s.Progress != nil {
		row("progress", progressInWords(*s.Progress, false))
	}
	row("started", startInWords(s))
	for _, x := range s.Services {
		fmt.Fprintf(w, "%s\t%s\t%s\n", x.Name, x.URL, view.Clean(healthInWords(x)))
	}
	if s.VM != nil {
		text := fmt.Sprintf("QEMU, pid %d", s.VM.PID)
		if m := s.VM.Memory; m != nil {
			text += fmt.Sprintf("; memory: %s private, %s shared", size(m.Private), size(m.Shared))
		}
		row("vm", text)
	}
	if s.Supervisor != nil {
		where := "in the foreground"
		if s.Supervisor.Background {
			where = "in the background"
		}
		row("supervisor", fmt.Sprintf("pid %d, %s, stackemu %s", s.Supervisor.PID, where, s.Supervisor.Version))
	}
	row("snapshot", s.Snapshot)
	image := s.Image
	if image == "" && status.Final(s.State) {
		image = "none yet: the first start pulls one, and `stackemu image build` makes one here"
	}
	row("image", image)
	if s.Cause != "" && s.Cause != s.Why {
		row("last failure", s.Cause)
	}
	return w.Flush()
}

func stateInWords(s status.Status, now time.Time) string {
	switch s.State {
	case status.Ready:
		text := "ready"
		if !s.Healthy {
			text = "unhealthy"
		}
		if s.DiskFull {
			text = "paused, the disk is full: it goes on when there is room"
		}
		return text + ", up " + uptime(now.Sub(s.ReadyAt))
	case status.Orphaned:
		return "its VM runs without a supervisor; `stackemu start` takes it over"
	}
	if s.Since.IsZero() {
		return s.State
	}
	return s.State + " since " + s.Since.Local().Format(time.DateTime)
}

func startInWords(s status.Status) string {
	text := howOf(s)
	if text != "" && s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return text
}

func healthInWords(x status.Service) string {
	switch {
	case x.Healthy:
		return "healthy"
	case x.Detail != "":
		return "not healthy: " + x.Detail
	}
	return "not healthy"
}

// uptime writes a time as people say it: 42s, 12m3s, 5h2m, 3d4h.
func uptime(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Hour:
		return d.Truncate(time.Second).String()
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
