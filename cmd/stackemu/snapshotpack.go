package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/snapshot/pack"
)

func snapshotPackCommand() *cli.Command {
	return &cli.Command{
		Name:      "pack",
		Usage:     "compress snapshots, to save room",
		ArgsUsage: "[KEY]",
		Description: "Compresses RAM and disk layer, reads the result back, and removes the raw data. The next start restores it, which takes\n" +
			"some seconds. Any zstd tool reads the files. Without KEY all are packed that no instance uses.\n\n" +
			"Example: stackemu snapshot pack 5623a33e",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "keep", Usage: "keep the raw data, too: the next start is as quick as ever"},
			jsonFlag(),
		},
		Action: snapshotPack,
	}
}

func snapshotPack(c *cli.Context) error {
	return onShelf(c, func(ctx context.Context, s shelf) error {
		keys, err := s.keys(c)
		if err != nil {
			return err
		}
		outcomes := []packed{}
		err = errors.Join(each(ctx, keys, func(key string) error {
			o, err := s.pack(ctx, key, c.Bool("keep"), c.NArg() == 0)
			if err == nil {
				outcomes = append(outcomes, o)
			}
			return err
		})...)
		if c.Bool("json") {
			return printOutcome("snapshot pack", outcomes, err)
		}
		if len(keys) == 0 {
			fmt.Println("there is no snapshot to pack")
		}
		for _, o := range outcomes {
			fmt.Println(o.words())
		}
		return err
	})
}

// packed is what has become of one snapshot. Sizes are in bytes, on the disk.
type packed struct {
	Key     string `json:"key"`
	Already bool   `json:"already"` // it was packed before
	Held    bool   `json:"held"`    // it is in use, and stays as it is
	Before  int64  `json:"before"`
	After   int64  `json:"after"`
}

func (p packed) words() string {
	switch {
	case p.Already:
		return p.Key + " is packed already"
	case p.Held:
		return p.Key + " is in use and stays as it is"
	}
	return fmt.Sprintf("%s  %s on disk, was %s", p.Key, size(p.After), size(p.Before))
}

// pack packs one snapshot. Of all, those in use are left alone.
func (s shelf) pack(ctx context.Context, key string, keep, ofAll bool) (packed, error) {
	o := packed{Key: key, Before: s.allocated(key)}
	err := metered(key, "packing", func(p snapshot.Progress) error { return s.Pack(ctx, key, keep, p) })
	var held *snapshot.HeldError
	o.Already, o.Held = errors.Is(err, snapshot.ErrPacked), errors.As(err, &held) && ofAll
	if err != nil && !o.Already && !o.Held {
		return o, advice(err)
	}
	o.After = s.allocated(key)
	return o, nil
}

// allocated is what a snapshot takes on the disk, in bytes.
func (s shelf) allocated(key string) int64 {
	used, _ := s.inUse() // for words only
	for _, e := range used {
		if e.Key == key {
			return e.Bytes
		}
	}
	return 0
}

func snapshotUnpackCommand() *cli.Command {
	return &cli.Command{
		Name:      "unpack",
		Usage:     "give the raw data of a packed file back",
		ArgsUsage: "FILE",
		Description: "FILE is a zstd file, whose content goes beside it under its name without .zst; holes stay holes. When it is a file of a\n" +
			"snapshot, or a KEY, all raw data of that snapshot is restored and held to its manifest, as the next start would do. The\n" +
			"packed file stays.\n\nExample: stackemu snapshot unpack 5623a33e",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the content of a file to `PATH`"},
			&cli.BoolFlag{Name: "force", Usage: "replace a file that is there"},
			jsonFlag(),
		},
		Action: snapshotUnpack,
	}
}

func snapshotUnpack(c *cli.Context) error {
	if c.NArg() != 1 {
		return &usage{errors.New("snapshot unpack takes one file or key")}
	}
	return onShelf(c, func(ctx context.Context, s shelf) error {
		word := c.Args().First()
		_, err := os.Stat(word)
		isFile := err == nil
		if isFile && (s.KeyOf(word) == "" || c.String("output") != "") {
			return unpackFile(ctx, c, word)
		}
		key := s.KeyOf(word)
		if !isFile {
			if strings.ContainsAny(word, "./") {
				return fmt.Errorf("snapshot unpack: %w", err)
			}
			keys, err := s.keys(c)
			if err != nil {
				return err
			}
			key = keys[0]
		}
		err = metered(key, "unpacking", func(p snapshot.Progress) error { return s.Unpack(ctx, key, p) })
		already := errors.Is(err, snapshot.ErrNotPacked)
		switch {
		case err != nil && !already:
			return advice(err)
		case c.Bool("json"):
			return printData("snapshot unpack", map[string]any{"key": key, "already": already, "bytes": s.allocated(key)})
		case already:
			fmt.Printf("%s is not packed: its raw data is there\n", key)
		default:
			fmt.Printf("%s  %s on disk\n", key, size(s.allocated(key)))
		}
		return nil
	})
}

// packedSuffix is what zstd's own tools append.
const packedSuffix = ".zst"

// unpackFile unpacks a file that is nobody's.
func unpackFile(ctx context.Context, c *cli.Context, src string) error {
	dst := c.String("output")
	if dst == "" {
		dst = strings.TrimSuffix(src, packedSuffix)
	}
	if dst == src {
		return &usage{fmt.Errorf("snapshot unpack: %s does not end with %s: say where its content is to go with --output", src, packedSuffix)}
	}
	if _, err := os.Lstat(dst); err == nil && !c.Bool("force") {
		return fmt.Errorf("snapshot unpack: %s is there already: remove it, or add --force", dst)
	}
	err := metered(filepath.Base(src), "unpacking", func(p snapshot.Progress) error { return pack.Unpack(ctx, dst, src, p) })
	if err != nil {
		return advice(fmt.Errorf("snapshot: %w", err))
	}
	info, err := os.Stat(dst)
	if err != nil {
		return fmt.Errorf("snapshot unpack: %w", err)
	}
	if c.Bool("json") {
		return printData("snapshot unpack", map[string]any{"path": dst, "bytes": info.Size()})
	}
	fmt.Printf("%s  %s\n", dst, size(info.Size()))
	return nil
}
