package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/doctor"
	"github.com/stackemu/stackemu/internal/view"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check all that a start needs, and say what to do about what is wrong",
		Description: "Looks at QEMU, the accelerator, memory, disk, the home, the image, ports, what earlier runs have left, and the GitHub token.\n" +
			"Every check is a line: ok, warning or problem, and below it what to do on this system. Nothing is started or changed.\n" +
			"Exit code 0 when nothing is a problem, 1 otherwise.\n\nExample: stackemu doctor --json",
		Flags:  []cli.Flag{jsonFlag()},
		Action: examine,
	}
}

func examine(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("doctor takes no argument (%q)", c.Args().First())}
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	findings := doctor.Examine(ctx, sources(c))
	if ctx.Err() != nil {
		return fmt.Errorf("doctor: %w", errInterrupted)
	}
	err := error(nil)
	if c.Bool("json") {
		err = printData("doctor", findings)
	} else {
		terminal, noColor := view.Detect(os.Stdout, os.LookupEnv)
		err = printFindings(os.Stdout, findings, terminal && !noColor)
	}
	if err == nil && !doctor.Well(findings) {
		return exitStatus(exitFailed)
	}
	return err
}

// colors of levels, on terminals.
var colors = map[doctor.Level]string{doctor.OK: "\x1b[32m", doctor.Warning: "\x1b[33m", doctor.Problem: "\x1b[31m"}

// printFindings writes one line for each, and its cure below it.
func printFindings(out io.Writer, all []doctor.Finding, color bool) error {
	codes := 0
	for _, f := range all {
		codes = max(codes, len(f.Code))
	}
	for _, f := range all {
		level := fmt.Sprintf("%-7s", f.Level)
		if color {
			level = colors[f.Level] + level + "\x1b[0m"
		}
		if _, err := fmt.Fprintf(out, "%s  %-*s  %s\n", level, codes, f.Code, f.Text); err != nil {
			return err
		}
		if f.Cure == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "%*s  -> %s\n", len("problem")+2+codes, "", f.Cure); err != nil {
			return err
		}
	}
	return nil
}
