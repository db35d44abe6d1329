package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/snapshot"
)

func snapshotCheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "see whether snapshots are what was captured",
		ArgsUsage: "[KEY]",
		Description: "Does what is done before each start: sizes, identities, digests of small files. With --read-data it reads every byte, of\n" +
			"the image too, and compares checksums. A damaged snapshot is set aside, so that no instance is resumed from it, and the\n" +
			"command ends with 1.\n\nExample: stackemu snapshot check --read-data",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "read-data", Usage: "read every byte"},
			jsonFlag(),
		},
		Action: snapshotCheck,
	}
}

func snapshotCheck(c *cli.Context) error {
	return onShelf(c, func(ctx context.Context, s shelf) error {
		keys, err := s.keys(c)
		if err != nil {
			return err
		}
		var reports []*snapshot.Report
		errs := each(ctx, keys, func(key string) error {
			return metered(key, "checking", func(p snapshot.Progress) error {
				r, err := s.Check(ctx, key, c.Bool("read-data"), p)
				if err == nil {
					reports = append(reports, r)
				}
				return err
			})
		})
		for _, r := range reports {
			if r.Damage != nil {
				errs = append(errs, fmt.Errorf("%w%s", r.Damage, whereTo(r.Damage)))
			}
		}
		if c.Bool("json") {
			return printOutcome("snapshot check", inReport(reports), errors.Join(errs...))
		}
		return errors.Join(append(errs, printReports(os.Stdout, reports, c.Bool("read-data")))...)
	})
}

func printReports(out io.Writer, reports []*snapshot.Report, readData bool) error {
	if len(reports) == 0 {
		fmt.Fprintln(out, "there is no snapshot to check")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range reports {
		verdict := "is well"
		switch {
		case r.Damage != nil:
			verdict = "is damaged"
		case readData:
			verdict = "is well, every byte"
		}
		fmt.Fprintf(w, "%s %s\n", r.Key, verdict)
		for _, f := range r.Files {
			verdict := "well"
			if f.Err != nil {
				verdict = f.Err.Error()
			}
			fmt.Fprintf(w, "  %s\t%s\t%s on disk\t%s\t%s\n", f.Name, size(f.Size), size(f.Allocated), packedText(f), verdict)
		}
	}
	return w.Flush()
}

func packedText(f snapshot.FileReport) string {
	if f.Packed == 0 {
		return "not packed"
	}
	return size(f.Packed) + " packed"
}

// checked is a report in JSON. Sizes are in bytes.
type checked struct {
	Key    string        `json:"key"`
	Dir    string        `json:"dir"`
	Well   bool          `json:"well"`
	Damage string        `json:"damage,omitempty"`
	Aside  string        `json:"setAsideAs,omitempty"`
	Files  []checkedFile `json:"files"`
}

type checkedFile struct {
	Name      string `json:"name"`
	Size      int64  `json:"size"`
	Allocated int64  `json:"allocated"`
	Packed    int64  `json:"packed,omitempty"`
	Well      bool   `json:"well"`
	Error     string `json:"error,omitempty"`
}

func inReport(reports []*snapshot.Report) []checked {
	all := []checked{}
	for _, r := range reports {
		one := checked{Key: r.Key, Dir: r.Dir, Well: r.Damage == nil, Files: []checkedFile{}}
		if r.Damage != nil {
			one.Damage, one.Aside = r.Damage.Error(), r.Damage.Aside
		}
		for _, f := range r.Files {
			file := checkedFile{Name: f.Name, Size: f.Size, Allocated: f.Allocated, Packed: f.Packed, Well: f.Err == nil}
			if f.Err != nil {
				file.Error = f.Err.Error()
			}
			one.Files = append(one.Files, file)
		}
		all = append(all, one)
	}
	return all
}
