package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/view"
)

func snapshotLsCommand() *cli.Command {
	return &cli.Command{
		Name:  "ls",
		Usage: "list the snapshots, and what is left of earlier ones",
		Description: "SIZE is what the files have, ON DISK what removing the snapshot would free: holes take no room, and the image belongs to\n" +
			"others as well. Nothing is checked but the manifests.\n\nExample: stackemu snapshot ls --json",
		Flags:  []cli.Flag{jsonFlag()},
		Action: snapshotLs,
	}
}

// listed is an entry in JSON. Sizes are in bytes.
type listed struct {
	Name      string         `json:"name"`
	Key       string         `json:"key"`
	What      string         `json:"what"`
	InUse     bool           `json:"inUse"`
	Held      bool           `json:"held"`
	Packed    bool           `json:"packed"`
	Size      int64          `json:"size"`
	Allocated int64          `json:"allocated"`
	Strikes   int            `json:"strikes,omitempty"`
	Cause     string         `json:"cause,omitempty"`
	Created   time.Time      `json:"created,omitzero"`
	Parts     snapshot.Parts `json:"parts,omitzero"`
}

func snapshotLs(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	return onShelf(c, func(_ context.Context, s shelf) error {
		entries, err := s.List()
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return printData("snapshot ls", inList(entries))
		}
		if len(entries) == 0 {
			fmt.Println("there is no snapshot yet: `stackemu capture` or the first `stackemu up` makes one")
			return nil
		}
		return printTable(os.Stdout, entries)
	})
}

func inList(entries []snapshot.Entry) []listed {
	all := []listed{}
	for _, e := range entries {
		l := listed{Name: e.Name, Key: e.Key, What: e.What, InUse: e.InUse, Held: e.Held, Packed: e.Packed, Size: e.Size, Allocated: e.Bytes, Strikes: e.Strikes, Cause: e.Cause}
		if e.Manifest != nil {
			l.Created, l.Parts = e.Manifest.Created, e.Manifest.Parts
		}
		all = append(all, l)
	}
	return all
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(view.JSON(out))
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func printTable(out io.Writer, entries []snapshot.Entry) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tFORMAT\tSTATE\tSIZE\tON DISK\tCREATED\tOF")
	for _, e := range entries {
		format, created, of := "?", "?", "its manifest cannot be read"
		if m := e.Manifest; m != nil {
			format, created = string(m.Parts.Format), m.Created.Local().Format("2006-01-02 15:04")
			of = fmt.Sprintf("%s, %d MiB RAM, %d vCPUs, %s", m.Parts.Layout.Arch, m.Parts.Layout.RAMMiB, m.Parts.Layout.CPUs, m.Parts.Accel)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", nameOf(e), format, stateOf(e), size(e.Size), size(e.Bytes), created, of)
	}
	return w.Flush()
}

// nameOf is what other commands call it.
func nameOf(e snapshot.Entry) string {
	if e.InUse {
		return e.Key
	}
	return e.Name
}

// stateOf is what it is, in a few words.
func stateOf(e snapshot.Entry) string {
	words := []string{e.What}
	switch {
	case e.InUse && e.Packed:
		words[0] = "packed"
	case e.InUse:
		words[0] = "ready"
	}
	if e.Held {
		words = append(words, "in use")
	}
	if e.Strikes > 0 {
		words = append(words, fmt.Sprintf("failed %d times", e.Strikes))
	}
	if e.Cause != "" {
		words = append(words, e.Cause)
	}
	return strings.Join(words, ", ")
}

// size writes a number of bytes as people compare it.
func size(bytes int64) string {
	value, unit := float64(bytes), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	if unit == "B" || value >= 100 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
