package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/qemu"
)

// defaultStopTimeout is longer than the rungs of a shutdown take together.
const defaultStopTimeout = 3 * time.Minute

func stopFlags() []cli.Flag {
	return []cli.Flag{
		nameFlag(),
		&cli.BoolFlag{Name: "kill", Usage: "do not wait for the guest: what it has not written to its disk yet is lost"},
		&cli.DurationFlag{Name: "timeout", Value: defaultStopTimeout, Usage: "how long to wait for the end; the stop goes on after that"},
	}
}

func stopCommand() *cli.Command {
	return &cli.Command{
		Name:      "stop",
		Usage:     "stop instances, wherever they were started",
		ArgsUsage: "[NAME...]",
		Description: "Saves what an instance has become, so that the next start goes on from there, and returns when nothing of it runs any\n" +
			"more. An instance that does not run is stopped already.\n\nExample: stackemu stop --all",
		Flags:  append(stopFlags(), &cli.BoolFlag{Name: "all", Usage: "stop every instance"}, jsonFlag()),
		Action: stop,
	}
}

// checkTimeout refuses a stop that is given up before it has begun.
func checkTimeout(c *cli.Context) error {
	if d := c.Duration("timeout"); d <= 0 {
		return &usage{fmt.Errorf("--timeout %v: want a time that is longer than none, such as 90s or 3m", d)}
	}
	return nil
}

func stop(c *cli.Context) error {
	if err := checkTimeout(c); err != nil {
		return err
	}
	conf, err := settings(c)
	if err != nil {
		return err
	}
	var names []string
	if c.Bool("all") {
		if c.NArg() > 0 || c.IsSet("name") {
			return &usage{errors.New("stop --all takes no instance name")}
		}
		names, err = conf.Folders().Instances()
	} else {
		names, err = namesOf(c)
		suggestInstances(c, conf, names...)
	}
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	outcomes := make([]stopped, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for n, name := range names {
		all.Go(func() { outcomes[n], errs[n] = stopOne(ctx, c, conf, name) })
	}
	all.Wait()
	ended := []stopped{}
	for n, o := range outcomes {
		if errs[n] == nil {
			ended = append(ended, o)
		}
	}
	err = errors.Join(errs...)
	if c.Bool("json") {
		return printOutcome(c.Command.Name, ended, err)
	}
	for _, o := range ended {
		switch {
		case o.Was == status.Stopped && c.Bool("all"): // who asks for all does not ask for each
		case o.Was == status.Stopped:
			fmt.Printf("%s  is not running\n", o.Instance)
		case o.Unclean != "":
			fmt.Printf("%s  stopped in %s; %s\n", o.Instance, seconds(o.took), o.Unclean)
		default:
			fmt.Printf("%s  stopped in %s\n", o.Instance, seconds(o.took))
		}
	}
	return err
}

// stopped is what a stop has done.
type stopped struct {
	Instance string `json:"instance"`
	Was      string `json:"was"` // its state before
	TookMS   int64  `json:"tookMs"`
	Unclean  string `json:"unclean,omitempty"` // what was lost, by --kill

	took time.Duration
}

var (
	// errTimeout says that something goes on after we have stopped waiting for it.
	errTimeout = errors.New("not in time")
	// errInterrupted is the outcome of a command that was interrupted with Ctrl-C.
	errInterrupted = errors.New("interrupted")
)

// stopOne stops an instance and waits until nothing of it is left.
func stopOne(ctx context.Context, c *cli.Context, conf config.Config, name string) (stopped, error) {
	path := func(err error) error { return fmt.Errorf("%s: stop: %w", name, err) }
	files, err := conf.Folders().Instance(name)
	if err != nil {
		return stopped{}, &usage{err}
	}
	began, kill := time.Now(), c.Bool("kill")
	limit, cancel := context.WithTimeoutCause(ctx, c.Duration("timeout"), errTimeout)
	defer cancel()
	client := control.NewClient(files.ControlSock)
	now, err := client.Status(limit)
	var other *control.VersionError
	switch {
	case errors.Is(err, control.ErrNoSupervisor):
		return stopOrphan(limit, c, conf, files)
	case ctx.Err() != nil:
		return stopped{}, path(errInterrupted)
	case errors.As(err, &other): // it can be stopped all the same
		now = status.Status{Instance: name, State: "unknown"}
	case kill && (errors.Is(err, control.ErrUnresponsive) || errors.Is(err, errTimeout)):
		if err := killUnresponsive(ctx, client, files); err != nil {
			return stopped{}, path(err)
		}
		return stoppedNow(name, status.Unresponsive, began, "its supervisor did not answer, and was killed with its VM"), nil
	case errors.Is(err, control.ErrUnresponsive):
		return stopped{}, path(fmt.Errorf("%w; `stackemu stop --kill %s` ends it with its VM", err, name))
	case err != nil:
		return stopped{}, path(err)
	}
	end, err := askToStop(limit, client, now, kill)
	switch {
	case errors.Is(err, errTimeout):
		return stopped{}, fmt.Errorf("%s: stop: %w: it is still stopping after %v; `stackemu stop --kill` does not wait for the guest", name, errTimeout, c.Duration("timeout"))
	case ctx.Err() != nil:
		return stopped{}, fmt.Errorf("%s: stop: %w; the stop goes on", name, errInterrupted)
	case err != nil:
		return stopped{}, path(err)
	case end.Kind != status.Ended && runningVM(files) != nil: // its supervisor was killed meanwhile, and has left the VM
		return stopOrphan(limit, c, conf, files)
	}
	switch {
	case end.Cause == "" || end.State == status.Failed: // it had failed before it was asked to stop
		return stoppedNow(name, now.State, began, ""), nil
	case kill:
		return stoppedNow(name, now.State, began, end.Cause), nil
	}
	return stopped{}, errors.New(end.Cause)
}

func stoppedNow(name, was string, began time.Time, unclean string) stopped {
	took := time.Since(began)
	return stopped{Instance: name, Was: was, TookMS: took.Milliseconds(), Unclean: unclean, took: took}
}

// killUnresponsive ends a supervisor that does not answer, and its VM. The kernel says who listens at the socket, and the VM
// is known by its start as well as by its pid.
func killUnresponsive(ctx context.Context, client *control.Client, files home.Instance) error {
	pid, err := client.PID(ctx)
	if errors.Is(err, control.ErrNoSupervisor) {
		return nil
	}
	if err != nil {
		return err
	}
	ids := []qemu.Identity{}
	if supervisor, err := qemu.IdentityOf(pid); err == nil {
		ids = append(ids, supervisor)
	}
	if vm, err := qemu.ReadPID(files.PID); err == nil {
		ids = append(ids, vm)
	}
	for _, id := range ids {
		if err := id.Kill(); err != nil {
			return err
		}
	}
	return awaitEnd(ctx, ids)
}

// killPatience is how long a killed process may take to be gone.
const killPatience = 10 * time.Second

// awaitEnd waits until processes that are not our children are gone. Not every system tells of that, so it is asked for.
func awaitEnd(ctx context.Context, ids []qemu.Identity) error {
	ctx, cancel := context.WithTimeoutCause(ctx, killPatience, errors.New("was killed, and does not end"))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(ids, qemu.Identity.Alive) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// askToStop returns the last event of the run. A supervisor that is gone in between leaves an empty one.
func askToStop(ctx context.Context, client *control.Client, now status.Status, kill bool) (end status.Event, err error) {
	err = client.StopAndFollow(ctx, now.Seq, kill, func(e status.Event) error {
		end = e
		return nil
	})
	if ctx.Err() != nil {
		return end, context.Cause(ctx)
	}
	var other *control.VersionError
	if errors.Is(err, control.ErrNoSupervisor) || errors.Is(err, control.ErrCutOff) || errors.As(err, &other) {
		return status.Event{}, nil
	}
	return end, err
}

// stoppable are the states in which an orphan is looked after by its new supervisor, or has been ended by it.
var stoppable = []string{status.Ready, "cold-booting", "resuming", "capturing"}

// stopOrphan stops a VM whose supervisor is gone: a new supervisor takes it over and stops it, so that it is saved. Without
// a VM there is nothing to stop.
func stopOrphan(ctx context.Context, c *cli.Context, conf config.Config, files home.Instance) (stopped, error) {
	if runningVM(files) == nil {
		return stopped{Instance: files.Name, Was: status.Stopped}, nil
	}
	began := time.Now()
	path := func(err error) error { return fmt.Errorf("%s: stop: %w", files.Name, err) }
	conf.Mounts = nil // the VM has its own
	own, err := launch(c, conf, files)
	if err != nil {
		return stopped{}, path(err)
	}
	defer own.close()
	word, err := own.next()
	if err != nil {
		return stopped{}, path(err)
	}
	if !word.Serving && !word.Held && word.Error != nil {
		return stopped{}, word.Error
	}
	client := control.NewClient(files.ControlSock)
	err = client.Events(ctx, 0, func(e status.Event) error {
		if e.Kind == status.StateEntered && slices.Contains(stoppable, e.State) {
			return errWell
		}
		return nil
	})
	if err != nil && !errors.Is(err, errWell) {
		return stopped{}, path(err)
	}
	end, err := askToStop(ctx, client, status.Status{}, c.Bool("kill"))
	if err != nil {
		return stopped{}, path(err)
	}
	return stoppedNow(files.Name, status.Orphaned, began, end.Cause), nil
}
