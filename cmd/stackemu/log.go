package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"
)

// logged is what every line of the log passes on its way out. Tests stop the program there.
var logged = func(out io.Writer) io.Writer { return out }

// logger is the program's log as the global flags want it. Logs go to out, which is standard error, or the view that
// shares the terminal with it.
func logger(c *cli.Context, out io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.String("log-level"))
	if err != nil || level > zerolog.ErrorLevel || c.String("log-level") == "" {
		return zerolog.Nop(), &usage{fmt.Errorf("--log-level %q: want trace, debug, info, warn or error", c.String("log-level"))}
	}
	switch format := c.String("log-format"); format {
	case "json":
	case "console":
		_, noColor := os.LookupEnv("NO_COLOR")
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly + ".000", NoColor: noColor}
	default:
		return zerolog.Nop(), &usage{fmt.Errorf("--log-format %q: want console or json", format)}
	}
	return zerolog.New(logged(out)).Level(level).With().Timestamp().Logger(), nil
}
