package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/view"
	"github.com/stackemu/stackemu/messages"
)

func upCommand() *cli.Command {
	return &cli.Command{
		Name:      "up",
		Usage:     "start an instance and stay in the foreground until Ctrl-C",
		ArgsUsage: "[NAME]",
		Description: "Resumes the instance where it was stopped, or a snapshot of the healthy image, which is captured first if there is none;\n" +
			"waits until every service is healthy and prints where they are. Ctrl-C saves what the instance has become for the next\n" +
			"start; a second Ctrl-C does not wait for that.\n\nExample: EMULATOR_RAM=2048 stackemu up",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "mount", Usage: "let the guest see the directory `DIR[:ro]`, at /host/DIR; may be given up to three times"},
			&cli.BoolFlag{Name: "require-snapshot", Usage: "fail instead of booting from the disk (for CI)"},
			formatFlag(),
		},
		Action: up,
	}
}

// up is the foreground runner of one instance.
func up(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	conf, err := config.FromEnv(os.LookupEnv)
	if err != nil {
		return &usage{err}
	}
	conf.RequireSnapshot = c.Bool("require-snapshot")
	if conf.RequireSnapshot && conf.NoSnapshot {
		return &usage{errors.New("--require-snapshot and EMULATOR_NO_SNAPSHOT contradict each other")}
	}
	if err := withFormat(c, &conf); err != nil {
		return err
	}
	if conf.Mounts, err = mounts(c.StringSlice("mount")); err != nil {
		return &usage{err}
	}
	serial := ""
	if files, err := conf.Folders().Instance(name); err == nil { // else the tree says what is wrong with the name
		serial = files.SerialLog
	}
	return foreground(c, conf, &messages.StartInstance{Instance: name}, name, serial)
}

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Usage: "the `FORMAT` of snapshots: lazy (RAM is mapped, the default where QEMU can) or mapped-ram (RAM is read)"}
}

// withFormat lets --format win over the environment.
func withFormat(c *cli.Context, conf *config.Config) (err error) {
	if !c.IsSet("format") {
		return nil
	}
	if conf.Format, err = config.ParseFormat(c.String("format")); err != nil {
		return &usage{err}
	}
	return nil
}

func mounts(dirs []string) (all []config.Mount, err error) {
	if len(dirs) > instance.MaxMounts {
		return nil, fmt.Errorf("--mount: %d directories, and the guest has room for %d", len(dirs), instance.MaxMounts)
	}
	for _, dir := range dirs {
		m, err := config.ParseMount(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func oneName(c *cli.Context) (string, error) {
	switch c.NArg() {
	case 0:
		return home.DefaultInstance, nil
	case 1:
		return c.Args().First(), nil
	}
	return "", &usage{fmt.Errorf("%s takes one instance name at most", c.Command.Name)}
}

// foreground tells a tree what to start, shows what happens, and passes Ctrl-C on, until no instance is left. serial is the
// console of the instance to follow.
func foreground(c *cli.Context, conf config.Config, start messages.Fleet, name, serial string) error {
	terminal, noColor := view.Detect(os.Stdout, os.LookupEnv)
	screen := view.New(os.Stdout, terminal, noColor)
	defer screen.Close()
	var logs io.Writer = os.Stderr
	if terminal {
		logs = screen // the block would be torn by another writer
	}
	log, err := logger(c, logs)
	if err != nil {
		return err
	}
	policy := lifecycle.DefaultPolicy()
	policy.ReadyTimeout, policy.WarmTimeout = conf.ReadyTimeout, conf.SnapshotReadyTimeout
	policy.RequireSnapshot = conf.RequireSnapshot

	happened := make(chan messages.Observer)
	done := make(chan struct{})
	defer close(done)
	tree := actors.Start(actors.Options{World: actors.RealWorld(conf, log), Policy: policy, Log: log, Observe: func(m messages.Observer) {
		select {
		case happened <- m:
		case <-done:
		}
	}})
	screen.Follow(name, view.NewTail(serial, time.Now()).LastLine)
	tree.Tell(start)
	err = newRunner(tree, screen).run(happened)
	return errors.Join(err, closeTree(tree))
}

// closeTimeout is for actors that have nothing left to do.
const closeTimeout = 30 * time.Second

func closeTree(tree *actors.Tree) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return tree.Close(ctx)
}

// runner is one foreground run, from the start of an instance to its last word.
type runner struct {
	tree    *actors.Tree
	screen  *view.View
	began   time.Time
	stopped time.Time // when the first signal came
	forced  bool
	outcome error
}

func newRunner(tree *actors.Tree, screen *view.View) *runner {
	return &runner{tree: tree, screen: screen, began: time.Now()}
}

// bounce is the time within which a second signal is the echo of the first: npm and shells pass on a Ctrl-C that the
// terminal has sent to everybody already.
const bounce = 100 * time.Millisecond

func (r *runner) run(happened <-chan messages.Observer) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			r.stop()
		case m := <-happened:
			if _, last := m.(*messages.FleetIdle); last {
				return r.outcome
			}
			r.show(m)
		}
	}
}

func (r *runner) stop() {
	switch {
	case r.stopped.IsZero():
		r.stopped = time.Now()
		r.screen.Line(view.Info, "stopping; press Ctrl-C again to not wait for the guest")
		r.tree.Tell(&messages.StopInstances{})
	case time.Since(r.stopped) > bounce:
		r.forced = true
		r.tree.Tell(&messages.StopInstances{Kill: true})
	}
}

func (r *runner) show(m messages.Observer) {
	switch m := m.(type) {
	case *messages.StateChanged:
		r.state(m)
	case *messages.ServiceChanged:
		r.screen.Services(m.Instance, []view.Service{{Name: m.Service, Healthy: m.Healthy, Took: time.Since(r.began), Note: m.Detail}})
	case *messages.Notice:
		level := view.Info
		if m.Warning {
			level = view.Warn
		}
		r.screen.Line(level, m.Instance+": "+m.Text)
	case *messages.InstanceEnded:
		r.screen.Gone(m.Instance)
		r.ended(m)
	}
}

func (r *runner) state(m *messages.StateChanged) {
	if m.Cause.Err != nil {
		r.screen.Line(view.Warn, m.Cause.Err.Error())
	}
	if m.To != lifecycle.Ready.String() {
		r.screen.State(m.Instance, m.To, m.Since, "")
		return
	}
	urls := make([]view.URL, len(m.Services))
	for n, s := range m.Services {
		urls[n] = view.URL{Name: s.Name, URL: s.URL}
	}
	r.screen.Ready(m.Instance, m.Since, howInWords[m.How], urls)
}

// howInWords is what the line of a ready instance says of the way there.
var howInWords = map[string]string{lifecycle.Cold.String(): "cold boot", lifecycle.Resume.String(): "resumed", lifecycle.Adopt.String(): "taken over"}

func (r *runner) ended(m *messages.InstanceEnded) {
	switch err := m.Cause.Err; {
	case errors.Is(err, lifecycle.ErrUnclean) && r.forced:
		r.outcome = fmt.Errorf("%s: %w", m.Instance, errForced)
	default:
		r.outcome = err
	}
}
