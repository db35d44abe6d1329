package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/view"
	"github.com/stackemu/stackemu/messages"
)

func pullCommand() *cli.Command {
	return &cli.Command{
		Name:  "pull",
		Usage: "fetch a published image, and capture its snapshot",
		Description: "Fetches the image of a release, of a pull request, of a workflow run or of a file to where instances look for it, checks it and\n" +
			"captures the snapshot that they are resumed from. A pull that was interrupted goes on where it was. Instances that run on an\n" +
			"older image keep it. Pull requests and runs need a token: GITHUB_TOKEN, GH_TOKEN, or that of `gh`.\n\nExample: stackemu pull --pr 1340",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "arch", Usage: "`ARCH` of the image: amd64 or arm64 (default: EMULATOR_ARCH, or this machine's)"},
			repoFlag(),
			&cli.StringFlag{Name: "branch", Usage: "the latest release of the branch `NAME` (default: " + image.DefaultBranch + ")"},
			&cli.StringFlag{Name: "tag", Usage: "the release with the tag `TAG`"},
			&cli.IntFlag{Name: "pr", Usage: "what the latest successful run for the pull request `NUMBER` has built", DefaultText: "none"},
			&cli.Int64Flag{Name: "run", Usage: "what the workflow run with the `ID` has built", DefaultText: "none"},
			&cli.StringFlag{Name: "file", Usage: "the qcow2 image at `PATH`, or at a URL"},
			&cli.BoolFlag{Name: "force", Usage: "fetch it again even if it is there"},
			&cli.BoolFlag{Name: "skip-snapshot", Usage: "do not capture a snapshot now; the first start does it"},
			jsonFlag(),
		},
		Action: pull,
	}
}

func repoFlag() cli.Flag {
	return &cli.StringFlag{Name: "repo", Usage: "`OWNER/NAME` of the repository (default: " + image.DefaultRepo + ")"}
}

func pull(c *cli.Context) error {
	request, conf, err := pullRequest(c)
	if err != nil {
		return &usage{err}
	}
	fetched, err := fetchImage(c, conf, request)
	if err != nil {
		return err
	}
	data := pulled{Path: fetched.Path, From: fetched.From, Digest: fetched.Digest, Size: fetched.Size, UpToDate: fetched.UpToDate, Resumed: fetched.Resumed}
	if !c.Bool("skip-snapshot") {
		o, err := captureNow(c, conf)
		if err != nil {
			return err
		}
		data.Snapshot = &o
	}
	if c.Bool("json") {
		return printData("pull", data)
	}
	return nil
}

// pulled is the outcome of a pull, in JSON. Sizes are in bytes.
type pulled struct {
	Path     string    `json:"path"`
	From     string    `json:"from"`
	Digest   string    `json:"digest"`
	Size     int64     `json:"size"`
	UpToDate bool      `json:"upToDate"`
	Resumed  int64     `json:"resumed,omitempty"` // of that, what an earlier pull had left
	Snapshot *captured `json:"snapshot,omitempty"`
}

// pullRequest reads the command line. All errors are of the one who wrote it.
func pullRequest(c *cli.Context) (image.Request, config.Config, error) {
	var none image.Request
	if c.NArg() > 0 {
		return none, config.Config{}, fmt.Errorf("pull takes no argument (%q)", c.Args().First())
	}
	conf, err := settings(c, "arch", "repo", "branch")
	if err != nil {
		return none, conf, err
	}
	for _, flag := range []string{"arch", "repo", "branch", "tag", "pr", "run", "file"} {
		if value := c.String(flag); c.IsSet(flag) && (value == "" || value == "0") {
			return none, conf, fmt.Errorf("--%s is given, and is empty", flag)
		}
	}
	r := image.Request{Arch: conf.Arch, Tag: c.String("tag"), PR: c.Int("pr"), Run: c.Int64("run"), File: c.String("file"), Force: c.Bool("force")}
	if c.IsSet("repo") || r.File == "" { // what is configured gives way to what the command line says
		r.Repo = conf.ImageRepo
	}
	if c.IsSet("branch") || r.Tag == "" && r.PR == 0 && r.Run == 0 && r.File == "" {
		r.Branch = conf.ImageBranch
	}
	if err := r.Check(); err != nil {
		return none, conf, err
	}
	if r.File != "" && !r.IsURL() { // the work is done in another place
		if r.File, err = filepath.Abs(r.File); err != nil {
			return none, conf, err
		}
	}
	return r, conf, nil
}

// puller fetches images as the environment says.
func puller(conf config.Config) *image.Puller {
	api := os.Getenv("GITHUB_API_URL")
	return &image.Puller{Home: conf.Folders(), API: api, Token: func(ctx context.Context) string {
		token, _ := github.FindToken(ctx, os.LookupEnv, api)
		return token
	}}
}

// errPullInterrupted is the outcome of a pull that the user did not want to wait for.
var errPullInterrupted = fmt.Errorf("%w; the next pull goes on from here", errInterrupted)

// fetchImage has the image fetched, and shows how it goes: with --json on standard error.
func fetchImage(c *cli.Context, conf config.Config, r image.Request) (image.Result, error) {
	out := os.Stdout
	if c.Bool("json") {
		out = os.Stderr
	}
	terminal, noColor := view.Detect(out, os.LookupEnv)
	screen := view.New(out, terminal, noColor)
	defer screen.Close()
	var logs io.Writer = os.Stderr
	if terminal {
		logs = screen // the block would be torn by another writer
	}
	log, err := logger(c, logs)
	if err != nil {
		return image.Result{}, err
	}
	happened, done := make(chan messages.Observer), make(chan struct{})
	defer close(done)
	tree := actors.Start(actors.Options{World: actors.RealWorld(conf, log), Puller: puller(conf), Log: log, Observe: func(m messages.Observer) {
		select {
		case happened <- m:
		case <-done:
		}
	}})
	tree.Tell(&messages.PullImage{Request: r})
	result, err := newPullView(screen, terminal, tree).run(happened)
	ctx, cancel := context.WithTimeout(context.Background(), pullCloseTimeout)
	defer cancel()
	return result, errors.Join(err, tree.Close(ctx))
}

// pullCloseTimeout is for actors that have nothing left to do.
const pullCloseTimeout = 30 * time.Second

// pullView shows one pull.
type pullView struct {
	screen   *view.View
	terminal bool
	tree     *actors.Tree
	began    time.Time
	pace     pace
	stopped  bool
}

func newPullView(screen *view.View, terminal bool, tree *actors.Tree) *pullView {
	return &pullView{screen: screen, terminal: terminal, tree: tree, began: time.Now()}
}

func (v *pullView) run(happened <-chan messages.Observer) (image.Result, error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			if v.stopped {
				return image.Result{}, fmt.Errorf("pull: %w", errPullInterrupted)
			}
			v.stopped = true
			v.tree.Tell(&messages.StopInstances{})
		case m := <-happened:
			switch m := m.(type) {
			case *messages.PullProgress:
				v.progress(m)
			case *messages.PullFailed:
				v.screen.Gone(pullName)
				if v.stopped {
					return image.Result{}, fmt.Errorf("pull: %w", errPullInterrupted)
				}
				return image.Result{}, fmt.Errorf("pull: %w", m.Cause.Err)
			case *messages.ImagePulled:
				v.pulled(m)
				return m.Result, nil
			}
		}
	}
}

// pullName is what the lines of a pull begin with.
const pullName = "image"

func (v *pullView) progress(m *messages.PullProgress) {
	p := progressOf(m)
	if v.terminal || v.pace.due(p, time.Now()) {
		v.screen.State(pullName, p.Doing, time.Since(v.began), amountInWords(p, v.terminal))
	}
}

func (v *pullView) pulled(m *messages.ImagePulled) {
	v.screen.Gone(pullName)
	r := m.Result
	if r.UpToDate {
		v.screen.Line(view.Info, fmt.Sprintf("image: already up to date (%s, %s)", r.From, r.Digest))
		return
	}
	v.screen.Line(view.Info, fmt.Sprintf("image: %s  %s  %s  from %s", r.Path, download.Bytes(r.Size), r.Digest, r.From))
	if r.Resumed > 0 {
		v.screen.Line(view.Info, fmt.Sprintf("image: %s of it were there from an earlier pull", download.Bytes(r.Resumed)))
	}
	if r.Evicted > 0 {
		v.screen.Line(view.Info, fmt.Sprintf("image: removed %s of the image before", snapshotCount(r.Evicted)))
	}
	if r.Held > 0 {
		v.screen.Line(view.Info, fmt.Sprintf("image: kept %s of the image before, in use now; `stackemu snapshot prune` removes what nobody uses", snapshotCount(r.Held)))
	}
}

func snapshotCount(n int) string {
	if n == 1 {
		return "1 snapshot"
	}
	return fmt.Sprintf("%d snapshots", n)
}
