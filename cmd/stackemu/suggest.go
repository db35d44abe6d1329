package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

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

// didYouMean is a question about the word that is nearest to a wrong one; empty if none is near.
func didYouMean(word string, among []string) string {
	best := suggest.Nearest(word, among)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
