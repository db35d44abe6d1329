package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/trace"
	"github.com/stackemu/stackemu/internal/view"
)

// traceFormats are the flags that choose what is printed: one of them, or none for the tree.
var traceFormats = []string{"explain", "json", "mermaid", "perfetto", "html", "follow"}

func traceCommand() *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "show what an instance's last start did, message by message, and why it took as long as it took",
		ArgsUsage: "[NAME]",
		Description: "Reads the message log that every instance keeps; the instance may run, be stopped or have failed. Without a flag the last start\n" +
			"is printed as a tree: below each message is what it led to, in seconds. --explain is the place to begin when something is slow\n" +
			"or broken. docs/trace.md describes the formats.\n\nExamples: stackemu trace --explain\n          stackemu trace --html start.html\n          stackemu trace --follow --actor monitor",
		Flags: []cli.Flag{
			nameFlag(),
			&cli.BoolFlag{Name: "last-start", Usage: "the last start, or the last recovery of a lost VM (the default)"},
			&cli.BoolFlag{Name: "all-starts", Usage: "every start that the log still has, not only the last one"},
			&cli.BoolFlag{Name: "explain", Usage: "where the time went, what went wrong, why, and what was done about it, in plain words"},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "print what happens from now on, until Ctrl-C; with --json as JSON"},
			&cli.BoolFlag{Name: "json", Usage: "print the records, one JSON object a line"},
			&cli.BoolFlag{Name: "mermaid", Usage: "print a Mermaid sequence diagram"},
			&cli.BoolFlag{Name: "perfetto", Usage: "print Chrome trace events, for ui.perfetto.dev"},
			&cli.StringFlag{Name: "html", Usage: "write a page with a timeline to `FILE`; it needs no network"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "with the messages that tell little: the actor library's own, and the news to the command line"},
			&cli.StringFlag{Name: "actor", Usage: "only what has `NAME` in its sender's or receiver's path"},
			&cli.StringFlag{Name: "type", Usage: "only messages whose type begins with `NAME`"},
			&cli.StringFlag{Name: "attempt", Usage: "only the start attempt with the `ID`, or its end"},
			&cli.DurationFlag{Name: "min-duration", Usage: "only what took `TIME` at least, such as 10ms", DefaultText: "none"},
		},
		Action: traceAction,
	}
}

func traceAction(c *cli.Context) error {
	if err := oneFormat(c); err != nil {
		return err
	}
	_, files, err := knownInstance(c)
	if err != nil {
		return err
	}
	filter := trace.Filter{Actor: c.String("actor"), Type: c.String("type"), Attempt: c.String("attempt"), MinDuration: c.Duration("min-duration")}
	if c.Bool("follow") {
		return followTrace(c, files.MessagesLog, filter)
	}
	starts, err := startsOf(files.Name, files.MessagesLog, c.Bool("all-starts"))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	if err := printStarts(c, out, starts, filter); err != nil {
		return fmt.Errorf("%s: trace: %w", files.Name, err)
	}
	return out.Flush()
}

func oneFormat(c *cli.Context) error {
	var set []string
	for _, name := range traceFormats {
		if c.IsSet(name) {
			set = append(set, "--"+name)
		}
	}
	if len(set) > 1 && strings.Join(set, " ") != "--json --follow" {
		return &usage{fmt.Errorf("trace: %s exclude each other", strings.Join(set, " and "))}
	}
	if c.Bool("all-starts") && (c.Bool("last-start") || c.IsSet("html") || c.Bool("perfetto") || c.Bool("mermaid")) {
		return &usage{errors.New("trace: --all-starts goes with the tree, --explain and --json only")}
	}
	if (c.IsSet("html") || c.Bool("explain")) && (c.IsSet("actor") || c.IsSet("type") || c.IsSet("attempt") || c.IsSet("min-duration")) {
		return &usage{errors.New("trace: --html and --explain tell of a whole start: they take no filter")}
	}
	return nil
}

// startsOf reads the starts that are wanted. There is at least one when err is nil.
func startsOf(name, path string, all bool) ([]*trace.Start, error) {
	log, err := trace.ReadFiles(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no message log: it has not been started yet (stackemu up)", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if all {
		if starts := log.Starts(); len(starts) > 0 {
			return starts, nil
		}
	} else if last := log.Last(); last != nil {
		return []*trace.Start{last}, nil
	}
	return nil, fmt.Errorf("%s: the message log %s has no start in it", name, path)
}

func printStarts(c *cli.Context, out *bufio.Writer, starts []*trace.Start, filter trace.Filter) error {
	for n, s := range starts {
		if n > 0 && !c.Bool("json") {
			fmt.Fprintln(out)
		}
		if err := printStart(c, out, s, filter); err != nil {
			return err
		}
	}
	return nil
}

func printStart(c *cli.Context, out io.Writer, s *trace.Start, filter trace.Filter) error {
	switch {
	case c.Bool("explain"):
		return cleaned(out, func(out io.Writer) error { return trace.Explain(out, s) })
	case c.Bool("json"):
		return trace.NDJSON(view.JSON(out), filter.Select(s.Records))
	case c.Bool("mermaid"):
		return cleaned(out, func(out io.Writer) error { return s.Mermaid(out, filter) })
	case c.Bool("perfetto"):
		return s.Perfetto(view.JSON(out), filter)
	case c.IsSet("html"):
		return writePage(c.String("html"), s)
	}
	return cleaned(out, func(out io.Writer) error { return trace.Tree(out, s, filter, c.Bool("verbose")) })
}

// writePage writes the page whole or not at all.
func writePage(path string, s *trace.Start) error {
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer file.Cleanup()
	if err := trace.HTML(file, s); err != nil {
		return err
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return err
	}
	fmt.Printf("wrote %s: open it in a browser\n", path)
	return nil
}

func followTrace(c *cli.Context, path string, filter trace.Filter) error {
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	err := trace.Follow(ctx, path, func(r *trace.Record) {
		if len(filter.Select([]*trace.Record{r})) == 0 {
			return
		}
		var err error
		if c.Bool("json") {
			err = trace.NDJSON(view.JSON(os.Stdout), []*trace.Record{r})
		} else {
			_, err = fmt.Println(r.Time.Format("15:04:05.000000"), view.Clean(trace.Line(r)))
		}
		if err != nil {
			give(err) // nobody reads any more
		}
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) && err == nil {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}
