package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/session"
	"github.com/stackemu/stackemu/internal/tail"
	"github.com/stackemu/stackemu/internal/view"
)

// logSources are the logs of an instance, by the names that --source has for them.
var logSources = []struct {
	name string
	path func(home.Instance) string
}{
	{"supervisor", func(i home.Instance) string { return i.SupervisorLog }},
	{"serial", func(i home.Instance) string { return i.SerialLog }},
	{"qemu", func(i home.Instance) string { return i.QEMULog }},
	{messagesSource, func(i home.Instance) string { return i.MessagesLog }},
}

func logsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "show a log of an instance",
		ArgsUsage: "[NAME]",
		Description: "SOURCE is supervisor (what `start` would have shown), serial (the guest's console), qemu (what QEMU itself said), messages\n" +
			"(every message of the supervisor's actors, one JSON object a line) or stack (the stack's services, each line with the\n" +
			"service's name). The files stay when the instance stops, but for the stack's, which are in the guest.\n\n" +
			"Example: stackemu logs -f --source stack",
		Flags: []cli.Flag{
			nameFlag(),
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what is written from now on, until Ctrl-C"},
			&cli.IntFlag{Name: "lines", Aliases: []string{"n"}, Value: 200, Usage: "begin `N` lines before the end; 0 for none, -1 for all"},
			&cli.StringFlag{Name: "source", Value: "supervisor", Usage: "which log: `SOURCE` is " + strings.Join(sourceNames(), ", ")},
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object a line"},
		},
		Action: logs,
	}
}

const (
	// stackSource is the log of the stack's services, which is in the guest.
	stackSource = "stack"
	// messagesSource is JSON as it is.
	messagesSource = "messages"
)

func sourceNames() (names []string) {
	for _, s := range logSources {
		names = append(names, s.name)
	}
	return append(names, stackSource)
}

func logs(c *cli.Context) error {
	_, files, err := knownInstance(c)
	if err != nil {
		return err
	}
	if c.Int("lines") < -1 {
		return &usage{fmt.Errorf("-n %d: want a number of lines, 0 for none, or -1 for all", c.Int("lines"))}
	}
	source := c.String("source")
	if source == stackSource {
		return stackLog(c, files.Name)
	}
	n := slices.Index(sourceNames(), source)
	if n < 0 {
		return &usage{fmt.Errorf("--source %q: want %s", source, strings.Join(sourceNames(), ", "))}
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	out, done := logOutput(c, source)
	defer done()
	err = tail.Copy(ctx, out, logSources[n].path(files), tail.Options{Lines: c.Int("lines"), Follow: c.Bool("follow")})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint := ""
		if source == "supervisor" {
			hint = "; it is of instances in the background: --source messages tells of others"
		}
		return fmt.Errorf("%s: logs: there is no %s log yet (%s)%s", files.Name, source, logSources[n].path(files), hint)
	case errors.Is(err, syscall.EPIPE), errors.Is(err, context.Canceled): // the reader, or the user, has seen enough
		return nil
	case err != nil:
		return fmt.Errorf("%s: logs: %w", files.Name, err)
	}
	return nil
}

// stackLog shows the log of the stack's services, through the guest.
func stackLog(c *cli.Context, name string) error {
	args := []string{"logs", "-n", strconv.Itoa(c.Int("lines"))}
	if c.Bool("follow") {
		args = append(args, "-f")
	}
	out, done := logOutput(c, stackSource)
	defer done()
	g := guestProgram{command: "logs", name: name, out: out, mustStream: true, Program: session.Program{Path: guestapi.Program, Args: args}}
	err := g.run(c)
	if errors.Is(err, errInterrupted) { // the user has seen enough
		return nil
	}
	return err
}

// logOutput is where logs go. A guest writes most of them, and nothing of it is to move a terminal's cursor, or worse.
func logOutput(c *cli.Context, source string) (out io.Writer, done func()) {
	if c.Bool("json") && source != messagesSource { // those are JSON
		encoder := json.NewEncoder(view.JSON(os.Stdout))
		w := &control.LogLines{Source: source, Tell: func(l control.LogLine) error { return encoder.Encode(l) }}
		return w, func() { _ = w.Close() }
	}
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return os.Stdout, func() {}
	}
	lines := view.New(os.Stdout, false, true)
	return lines, lines.Close
}
