package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/instance"
)

func resetCommand() *cli.Command {
	return &cli.Command{
		Name:      "reset",
		Usage:     "throw the data of an instance away, so that its next start is a fresh one",
		ArgsUsage: "[NAME]",
		Description: "Removes the disk and the saved session of a stopped instance. Image and snapshots stay.\n\n" +
			"Example: stackemu reset --yes",
		Flags: []cli.Flag{
			nameFlag(),
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
			jsonFlag(),
		},
		Action: reset,
	}
}

func reset(c *cli.Context) error {
	conf, files, err := knownInstance(c)
	if err != nil {
		return err
	}
	had := false
	if _, err := os.Stat(files.Dir); err == nil { // a name that was mistyped is no new instance
		if had, err = throwAway(c, conf, files.Name); err != nil {
			return fmt.Errorf("%s: %w", files.Name, err)
		}
	}
	switch {
	case c.Bool("json"):
		return printData("reset", map[string]any{"instance": files.Name, "hadData": had})
	case had:
		fmt.Printf("%s has no data any more\n", files.Name)
	default:
		fmt.Printf("%s has no data\n", files.Name)
	}
	return nil
}

// throwAway removes the data of an instance, if it has any.
func throwAway(c *cli.Context, conf config.Config, name string) (had bool, err error) {
	i, err := instance.Open(conf, name)
	if err != nil {
		return false, err
	}
	defer i.Close()
	if !i.HasData() {
		return false, nil
	}
	if !c.Bool("yes") {
		if err := confirm(fmt.Sprintf("Throw away all data of %s?", name)); err != nil {
			return true, err
		}
	}
	if err := i.Reset(c.Context); err != nil {
		return true, fmt.Errorf("reset: %w", err)
	}
	return true, nil
}

// confirm asks on the terminal. Without one nobody can be asked.
func confirm(question string) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return &usage{errors.New("there is no terminal to ask on: add --yes")}
	}
	fmt.Fprint(os.Stderr, question+" [y/N] ")
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}
