package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

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
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
		},
		Action: reset,
	}
}

func reset(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	conf, err := settings(c)
	if err != nil {
		return err
	}
	i, err := instance.Open(conf, name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer i.Close()
	if !i.HasData() {
		fmt.Printf("%s has no data\n", name)
		return nil
	}
	if !c.Bool("yes") {
		if err := confirm(fmt.Sprintf("Throw away all data of %s?", name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := i.Reset(c.Context); err != nil {
		return fmt.Errorf("%s: reset: %w", name, err)
	}
	fmt.Printf("%s has no data any more\n", name)
	return nil
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
