package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/view"
)

func offlineFlag() cli.Flag {
	return &cli.BoolFlag{Name: "offline", Usage: "never use the network: without an image, fail instead of pulling one"}
}

// withImage sees to it that instances have an image to start from: a first start pulls one.
func withImage(c *cli.Context, conf config.Config, names []string) error {
	if conf.Offline || !needsImage(conf, names) {
		return nil // a start without an image says what to do
	}
	terminal, noColor := view.Detect(os.Stderr, os.LookupEnv)
	screen := view.New(os.Stderr, terminal, noColor)
	request := image.Request{Arch: conf.Arch, Repo: conf.ImageRepo, Branch: conf.ImageBranch}
	screen.Line(view.Info, "there is no image yet: pulling the latest one of "+cmp.Or(request.Repo, image.DefaultRepo))
	screen.Close()
	if err := fetchImage(c, conf, request, os.Stderr); err != nil {
		if errors.Is(err, errPullInterrupted) {
			return err
		}
		return fmt.Errorf("%w\nThere is no image, and it could not be pulled. `stackemu image build` makes one on this machine, without GitHub; "+
			"`stackemu pull --file` takes one that you have", err)
	}
	return nil
}

// needsImage says whether there is no image, and an instance that has no disk of its own.
func needsImage(conf config.Config, names []string) bool {
	folders := conf.Folders()
	if _, err := os.Stat(folders.Image(conf.Arch).Disk); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	for _, name := range names {
		files, err := folders.Instance(name)
		if err != nil {
			return false // the start says what is wrong with the name
		}
		if _, err := os.Stat(files.Disk); err != nil {
			return true
		}
	}
	return false
}
