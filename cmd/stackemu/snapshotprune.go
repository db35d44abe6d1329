package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/prune"
	"github.com/stackemu/stackemu/internal/snapshot"
)

func snapshotRmCommand() *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "remove snapshots",
		ArgsUsage: "KEY...",
		Description: "The next start captures a new one. The data of instances that were resumed from it stays. A KEY may also be the name\n" +
			"of what was set aside. What an instance runs from is not removed.\n\nExample: stackemu snapshot rm --yes 5623a33e",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}, jsonFlag()},
		Action: snapshotRm,
	}
}

func snapshotRm(c *cli.Context) error {
	words, err := arguments(c)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return &usage{errors.New("snapshot rm: which ones? `stackemu snapshot ls` prints their keys")}
	}
	return onShelf(c, func(ctx context.Context, s shelf) error {
		entries, err := s.List()
		if err != nil {
			return err
		}
		var chosen []snapshot.Entry
		for _, word := range words {
			e, err := pick(entries, word)
			if err != nil {
				return fmt.Errorf("snapshot rm: %w", err)
			}
			chosen = append(chosen, e)
		}
		if !c.Bool("yes") {
			if err := confirm(fmt.Sprintf("Remove %s?", describe(chosen))); err != nil {
				return fmt.Errorf("snapshot rm: %w", err)
			}
		}
		var errs []error
		removed := []removedSnapshot{}
		for _, e := range chosen {
			if err := s.Remove(nameOf(e)); err != nil {
				errs = append(errs, err)
				continue
			}
			removed = append(removed, removedSnapshot{Name: nameOf(e), Bytes: e.Bytes})
			if !c.Bool("json") {
				fmt.Printf("removed %s, %s\n", nameOf(e), size(e.Bytes))
			}
		}
		if c.Bool("json") {
			return printOutcome("snapshot rm", map[string]any{"removed": removed}, errors.Join(errs...))
		}
		return errors.Join(errs...)
	})
}

// removedSnapshot is what was removed, in JSON.
type removedSnapshot struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Why   string `json:"why,omitempty"`
}

// describe is a question's middle.
func describe(entries []snapshot.Entry) string {
	var bytes int64
	for _, e := range entries {
		bytes += e.Bytes
	}
	if len(entries) == 1 {
		return fmt.Sprintf("%s (%s on disk)", nameOf(entries[0]), size(bytes))
	}
	return fmt.Sprintf("%d snapshots (%s on disk)", len(entries), size(bytes))
}

func snapshotPruneCommand() *cli.Command {
	return &cli.Command{
		Name:  "prune",
		Usage: "remove what nothing uses",
		Description: "Removes snapshots whose image is not in the image folder any more, those that were replaced or set aside, and what\n" +
			"captures that were cut off have left. What an instance runs from stays.\n\nExample: stackemu snapshot prune --dry-run",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "remove nothing, and say what would be"}, jsonFlag()},
		Action: snapshotPrune,
	}
}

func snapshotPrune(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	return onShelf(c, func(ctx context.Context, s shelf) error {
		images, err := prune.Images(ctx, s.conf.Folders())
		if err != nil {
			return fmt.Errorf("snapshot prune: %w", err)
		}
		dry := c.Bool("dry-run")
		pruned, err := s.Prune(func(m snapshot.Manifest) bool { return images[m.Parts.ImageDigest] }, dry)
		removed, freed := inPrune(pruned.Removed)
		held, _ := inPrune(pruned.Held)
		if c.Bool("json") {
			return printOutcome("snapshot prune", map[string]any{"dryRun": dry, "removed": removed, "held": held, "bytes": freed}, err)
		}
		for _, e := range removed {
			fmt.Printf("%s %s, %s: %s\n", pruneVerb(dry), e.Name, size(e.Bytes), e.Why)
		}
		for _, e := range held {
			fmt.Printf("left %s, %s: an instance uses it (%s)\n", e.Name, size(e.Bytes), e.Why)
		}
		fmt.Println(pruneSum(dry, len(removed), freed))
		return err
	})
}

func inPrune(entries []snapshot.Entry) (all []removedSnapshot, bytes int64) {
	all = []removedSnapshot{}
	for _, e := range entries {
		all = append(all, removedSnapshot{Name: nameOf(e), Bytes: e.Bytes, Why: prune.Why(e)})
		bytes += e.Bytes
	}
	return all, bytes
}
