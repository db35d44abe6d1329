// Command stackemu runs a local emulator of a backend product inside a QEMU virtual machine.
//
// This package turns flags into calls and errors into exit codes; what happens in between is in other packages.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/view"
)

// version is set by the build.
var version = "unknown"

// Exit codes. A command that failed ends with 1, a wrong command line with 2, as is the custom.
const (
	exitFailed = 1
	exitUsage  = 2
	exitForced = 130 // 128 + SIGINT: the second Ctrl-C

	// Of `status`, besides 0 for healthy.
	exitStopped   = 3
	exitUnhealthy = 4 // starting, stopping, ill, or without a supervisor
	exitBroken    = 5 // the last run has failed
)

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	app := &cli.App{
		Name:    "stackemu",
		Usage:   "a local emulator of an auth backend, in a virtual machine that starts like a program",
		Version: version,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "log-level", Value: "warn", Usage: "what to log: `LEVEL` is trace (every message between actors), debug, info, warn or error"},
			&cli.StringFlag{Name: "log-format", Value: "console", Usage: "how to log: `FORMAT` is console or json"},
		},
		Commands:       commands(),
		ExitErrHandler: func(*cli.Context, error) {}, // the exit code is this function's affair
		OnUsageError:   usageError,
		// A command that logs nothing refuses a wrong level, too.
		Before: func(c *cli.Context) error {
			_, err := logger(c, io.Discard)
			return err
		},
		// Completion scripts ask with a hidden flag.
		EnableBashCompletion: true,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return &usage{fmt.Errorf("there is no command %q%s; see stackemu --help", c.Args().First(), didYouMean(c.Args().First(), commandNames(c.App.Commands)))}
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, c := range app.Commands {
		prepare("stackemu", c)
	}
	line := arranged(app, args)
	return exitCode(lineInJSON(app, line, app.Run(line)))
}

// forced is the outcome of a stop that the user did not want to wait for.
var errForced = errors.New("stopped by force: what the guest had not written to its disk yet is lost")

// exitCode tells an error, if there is something to tell.
func exitCode(err error) int {
	var quiet exitStatus
	var inJSON *jsonFailure
	switch {
	case err == nil, errors.As(err, &quiet):
	case errors.As(err, &inJSON):
		inJSON.tell()
	default:
		complain(err)
	}
	return exitCodeOf(err)
}

func exitCodeOf(err error) int {
	var quiet exitStatus
	var wrong *usage
	switch {
	case err == nil:
		return 0
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &wrong):
		return exitUsage
	case errors.Is(err, errForced), errors.Is(err, errInterrupted), errors.Is(err, lifecycle.ErrNotCaptured):
		return exitForced
	}
	return exitFailed
}

// complain writes an error as one path, with the program's name at its head. Words of a guest may be in it.
func complain(err error) {
	fmt.Fprintln(os.Stderr, "stackemu: "+strings.TrimSpace(view.Clean(err.Error())))
}
