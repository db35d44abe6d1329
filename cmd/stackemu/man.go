package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// manCommand is for those who package the program.
func manCommand() *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "print the manual page",
		Description: "Example: stackemu man >/usr/local/share/man/man1/stackemu.1",
		Hidden:      true,
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return &usage{fmt.Errorf("man takes no argument (%q)", c.Args().First())}
			}
			page, err := c.App.ToManWithSection(1)
			if err == nil {
				_, err = fmt.Fprint(c.App.Writer, page)
			}
			return err
		},
	}
}
