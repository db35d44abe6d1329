package main

import (
	"fmt"
	"regexp"

	"github.com/urfave/cli/v2"
)

// usage is an error of the command line.
type usage struct{ error }

// prepare makes a command, and those below it, answer wrong words as all do.
func prepare(path string, c *cli.Command) {
	path += " " + c.Name
	c.OnUsageError = usageError
	for _, f := range c.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true // everybody knows
		}
	}
	if len(c.Subcommands) > 0 {
		c.Action = func(ctx *cli.Context) error { return unknownBelow(ctx, path, c.Subcommands) }
	}
	for _, sub := range c.Subcommands {
		prepare(path, sub)
	}
}

// unknownBelow is the action of a command that has others below it.
func unknownBelow(c *cli.Context, path string, among []*cli.Command) error {
	word := c.Args().First()
	if word == "" {
		return cli.ShowSubcommandHelp(c)
	}
	return &usage{fmt.Errorf("there is no command %q%s; see %s --help", c.Command.Name+" "+word, didYouMean(word, commandNames(among)), path)}
}

func usageError(c *cli.Context, err error, _ bool) error {
	if m := badValue.FindStringSubmatch(err.Error()); m != nil && c.Command != nil {
		if want := wanted(c.Command, m[2]); want != "" {
			return &usage{fmt.Errorf("%s %s: want %s", dashed(m[2]), m[1], want)}
		}
	}
	return &usage{fmt.Errorf("%w%s", err, suggestedFlag(c, err))}
}

// dashed is a flag as people type it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// badValue is what the library says of a value that it cannot read.
var badValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([a-z0-9-]+): `)

// wanted is what the value of a flag looks like; empty where nobody knows.
func wanted(c *cli.Command, name string) string {
	for _, f := range c.Flags {
		for _, n := range f.Names() {
			if n != name {
				continue
			}
			switch f.(type) {
			case *cli.IntFlag, *cli.Int64Flag:
				return "a whole number"
			case *cli.DurationFlag:
				return "a time, such as 90s or 3m"
			case *cli.BoolFlag:
				return "true or false, or nothing"
			}
		}
	}
	return ""
}
