package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/snapshot"
)

func snapshotCommand() *cli.Command {
	return &cli.Command{
		Name:  "snapshot",
		Usage: "look after the snapshots that instances are resumed from",
		Description: "Snapshots are captured and found by themselves; these commands show them, check them, and save room. KEY is the key of a\n" +
			"snapshot, as `stackemu snapshot ls` prints it, or the beginning of one.\n\nExample: stackemu snapshot ls",
		Subcommands: []*cli.Command{
			snapshotLsCommand(), snapshotCheckCommand(), snapshotPackCommand(), snapshotUnpackCommand(), snapshotRmCommand(), snapshotPruneCommand(),
		},
	}
}

// shelf is where the snapshots are, for one command.
type shelf struct {
	*snapshot.Store
	conf config.Config
}

// onShelf runs a command on the snapshots, until a signal.
func onShelf(c *cli.Context, f func(context.Context, shelf) error) error {
	conf, err := settings(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = f(ctx, shelf{snapshot.Open(conf.Folders().Snapshots), conf})
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("snapshot %s: %w; nothing is half done", c.Command.Name, errInterrupted)
	}
	return err
}

// noArguments is for commands that take none.
func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("snapshot %s takes no argument (%q)", c.Command.Name, c.Args().First())}
	}
	return nil
}

// minKey is how many digits of a key must be given: fewer are rather a slip of the finger.
const minKey = 4

// inUse lists the snapshots that instances can be resumed from.
func (s shelf) inUse() ([]snapshot.Entry, error) {
	entries, err := s.List()
	if err != nil {
		return nil, err
	}
	var used []snapshot.Entry
	for _, e := range entries {
		if e.InUse {
			used = append(used, e)
		}
	}
	return used, nil
}

// arguments are those of a command without the switches among them: the library takes none after the first argument.
func arguments(c *cli.Context) (words []string, err error) {
	for _, word := range c.Args().Slice() {
		if !strings.HasPrefix(word, "-") {
			words = append(words, word)
			continue
		}
		if err := c.Set(strings.TrimLeft(word, "-"), "true"); err != nil {
			return nil, &usage{fmt.Errorf("snapshot %s: %s is none of its switches", c.Command.Name, word)}
		}
	}
	return words, nil
}

// keys are those of the snapshots in use that were asked for: at most one, or all of them.
func (s shelf) keys(c *cli.Context) ([]string, error) {
	words, err := arguments(c)
	if err != nil {
		return nil, err
	}
	if len(words) > 1 {
		return nil, &usage{fmt.Errorf("snapshot %s takes one key at most", c.Command.Name)}
	}
	used, err := s.inUse()
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		var keys []string
		for _, e := range used {
			keys = append(keys, e.Key)
		}
		return keys, nil
	}
	e, err := pick(used, words[0])
	return []string{e.Key}, err
}

// pick finds the entry that a word names: by its name, by its key, or by the beginning of its key if it is in use.
func pick(entries []snapshot.Entry, word string) (snapshot.Entry, error) {
	var found []snapshot.Entry
	for _, e := range entries {
		if e.Name == word || e.InUse && e.Key == word {
			return e, nil
		}
		if e.InUse && len(word) >= minKey && strings.HasPrefix(e.Key, word) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return snapshot.Entry{}, fmt.Errorf("there is no snapshot %q: `stackemu snapshot ls` lists those that are there", word)
	}
	return snapshot.Entry{}, &usage{fmt.Errorf("%d snapshots begin with %q: give more of the key", len(found), word)}
}

// advice adds to an error what can be done about it.
func advice(err error) error {
	var held *snapshot.HeldError
	var damaged *snapshot.DamagedError
	switch {
	case errors.As(err, &held):
		return err // it says so itself
	case errors.As(err, &damaged):
		return fmt.Errorf("%w%s", err, whereTo(damaged))
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w (make room first: `stackemu prune`)", err)
	}
	return err
}

// whereTo says what has become of a damaged snapshot.
func whereTo(d *snapshot.DamagedError) string {
	if d.Aside == "" {
		return ""
	}
	return "; it was set aside as " + d.Aside + " and is not used any more: the next start captures a new one"
}
