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
		if len(keys) == 0 {
			fmt.Println("there is no snapshot to pack")
		}
		return errors.Join(each(ctx, keys, func(key string) error {
			before := s.allocated(key)
			err := metered(key, "packing", func(p snapshot.Progress) error { return s.Pack(ctx, key, c.Bool("keep"), p) })
			var held *snapshot.HeldError
			switch {
			case errors.Is(err, snapshot.ErrPacked):
				fmt.Printf("%s is packed already\n", key)
				return nil
			case errors.As(err, &held) && c.NArg() == 0:
				fmt.Printf("%s is in use and stays as it is\n", key)
				return nil
			case err != nil:
				return advice(err)
			}
			fmt.Printf("%s  %s on disk, was %s\n", key, size(s.allocated(key)), size(before))
			return nil
		})...)
	})
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
			return unpackFile(ctx, word, c.String("output"), c.Bool("force"))
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
		if errors.Is(err, snapshot.ErrNotPacked) {
			fmt.Printf("%s is not packed: its raw data is there\n", key)
			return nil
		}
		if err != nil {
			return advice(err)
		}
		fmt.Printf("%s  %s on disk\n", key, size(s.allocated(key)))
		return nil
	})
}

// packedSuffix is what zstd's own tools append.
const packedSuffix = ".zst"

// unpackFile unpacks a file that is nobody's.
func unpackFile(ctx context.Context, src, dst string, force bool) error {
	if dst == "" {
		dst = strings.TrimSuffix(src, packedSuffix)
	}
	if dst == src {
		return &usage{fmt.Errorf("snapshot unpack: %s does not end with %s: say where its content is to go with --output", src, packedSuffix)}
	}
	if _, err := os.Lstat(dst); err == nil && !force {
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
	fmt.Printf("%s  %s\n", dst, size(info.Size()))
	return nil
}
