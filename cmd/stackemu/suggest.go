package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/suggest"
)

// commandNames are what a person may have meant.
func commandNames(among []*cli.Command) (names []string) {
	for _, c := range among {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return names
}

// suggestedFlag is for the error about a flag that a command does not have.
func suggestedFlag(c *cli.Context, err error) string {
	_, word, found := strings.Cut(err.Error(), "flag provided but not defined: -")
	if !found || c.Command == nil {
		return ""
	}
	var names []string
	for _, f := range c.Command.Flags {
		for _, name := range f.Names() {
			if len(name) > 1 {
				names = append(names, "--"+name)
			}
		}
	}
	return didYouMean("--"+strings.TrimLeft(word, "-"), names)
}

// suggestInstances asks, on standard error, which instance was meant by a name on the command line that none has.
func suggestInstances(c *cli.Context, conf config.Config, names ...string) {
	there, err := conf.Folders().Instances()
	typed := append(c.Args().Slice(), c.String("name"))
	for _, name := range names {
		if meant := didYouMean(name, there); err == nil && meant != "" && slices.Contains(typed, name) && !slices.Contains(there, name) {
			fmt.Fprintf(os.Stderr, "there is no instance %q%s\n", name, meant)
		}
	}
}

// didYouMean is a question about the word that is nearest to a wrong one; empty if none is near.
func didYouMean(word string, among []string) string {
	best := suggest.Nearest(word, among)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
