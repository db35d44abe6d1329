package main

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/control"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version",
		Description: "Example: stackemu version --json",
		Flags:       []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return &usage{fmt.Errorf("version takes no argument (%q)", c.Args().First())}
			}
			if c.Bool("json") {
				return printData("version", map[string]any{
					"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "controlProtocol": control.Version,
				})
			}
			fmt.Printf("stackemu %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
