package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/bench"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/view"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure how fast instances start here",
		Description: "Starts instances of the image in all ways, next to QEMU alone, again and again, and prints medians, 90th percentiles and\n" +
			"ratios. It takes minutes, keeps the machine busy, and leaves nothing. What the letters mean: docs/performance.md.\n\n" +
			"Example: stackemu bench --runs 3 --only a,b,c",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "runs", Value: 5, Usage: "measure each row `N` times"},
			&cli.StringFlag{Name: "only", Usage: "measure these `LETTERS` only, such as a,b,c; z, a soak, is measured only if it is named"},
			&cli.StringFlag{Name: "instances", Value: "1,2,4,8", Usage: "how many instances (f) starts at once: `NUMBERS` with commas"},
			&cli.IntFlag{Name: "cycles", Value: 100, Usage: "start and stop `N` times in a soak (z)"},
			jsonFlag(),
		},
		Action: benchmark,
	}
}

func benchmark(c *cli.Context) error {
	options, err := benchOptions(c)
	if err != nil {
		return &usage{err}
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	report, err := watchBench(ctx, options)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = fmt.Errorf("bench: %w; everything it has started is gone", errInterrupted)
	case err != nil:
		err = fmt.Errorf("bench: %w", err)
	case !report.Measured():
		err = errors.New("bench: nothing could be measured")
	}
	switch {
	case !report.Measured():
		return err
	case c.Bool("json"):
		return printOutcome("bench", &report, err)
	}
	return errors.Join(err, report.Table(os.Stdout))
}

// benchOptions reads the command line. All errors are of the one who wrote it.
func benchOptions(c *cli.Context) (o bench.Options, err error) {
	if c.NArg() > 0 {
		return o, fmt.Errorf("bench takes no argument (%q)", c.Args().First())
	}
	if o.Runs = c.Int("runs"); bench.CheckRuns(o.Runs) != nil {
		return o, bench.CheckRuns(o.Runs)
	}
	if o.Cycles = c.Int("cycles"); bench.CheckCycles(o.Cycles) != nil {
		return o, bench.CheckCycles(o.Cycles)
	}
	if o.Only, err = bench.ParseOnly(c.String("only")); err != nil {
		return o, err
	}
	if o.Instances, err = bench.ParseInstances(c.String("instances")); err != nil {
		return o, err
	}
	if o.Config, err = settings(c); err != nil {
		return o, err
	}
	// The program that is measured reads no file: what is in them, and matters, is told by variables.
	o.Env = append(os.Environ(), config.FileVariable+"="+config.NoFiles, "EMULATOR_ARCH="+o.Config.Arch,
		fmt.Sprintf("EMULATOR_CPUS=%d", o.Config.CPUs), fmt.Sprintf("PORT_PREFIX=%d", o.Config.PortPrefix))
	o.Program, err = os.Executable()
	return o, err
}

// watchBench measures, and shows on standard error what is going on: the report alone is on standard output.
func watchBench(ctx context.Context, o bench.Options) (bench.Report, error) {
	terminal, noColor := view.Detect(os.Stderr, os.LookupEnv)
	screen := view.New(os.Stderr, terminal, noColor)
	defer screen.Close()
	began := time.Now()
	o.Progress = func(e bench.Event) {
		switch {
		case e.Detail != "":
			screen.State("bench", e.What, time.Since(began), e.Detail)
		case e.Err != nil && ctx.Err() == nil:
			screen.Line(view.Warn, e.What+": "+e.Err.Error())
		case e.Result != "":
			screen.Line(view.Info, "  "+e.Result)
		}
	}
	return bench.Run(ctx, o)
}
