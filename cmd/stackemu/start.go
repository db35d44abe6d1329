package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Usage:     "start instances in the background; returns when they are ready",
		ArgsUsage: "[NAME...]",
		Description: "Each instance gets a supervisor process of its own, which outlives the terminal; its log is run/<instance>/supervisor.log.\n" +
			"An instance that runs already stays as it is; one that is being started or stopped is waited for; one that is not healthy\n" +
			"is restarted unless it recovers by itself.\n\nExample: stackemu start pr-42\n" +
			"Example: stackemu start --config-file stack.config.ts >credentials.json",
		Flags:  append(runFlags(), jsonFlag(), configFileFlag()),
		Action: start,
	}
}

func start(c *cli.Context) error {
	if c.IsSet(configFileName) {
		return startAndPrint(c)
	}
	names, err := namesOf(c)
	if err != nil {
		return err
	}
	return startAll(c, names)
}

// startAll starts instances side by side and says where they are, in the order of the names.
func startAll(c *cli.Context, names []string) error {
	conf, err := configFor(c, names)
	if err != nil {
		return err
	}
	if _, err := logger(c, os.Stderr); err != nil { // the supervisor would be the one to complain
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	terminal, noColor := view.Detect(os.Stderr, os.LookupEnv)
	screen := view.New(os.Stderr, terminal, noColor)
	defer screen.Close()
	started := make([]*starter, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for n, name := range names {
		files, err := conf.Folders().Instance(name)
		if err != nil {
			return &usage{err}
		}
		s := &starter{cli: c, conf: conf, files: files, client: control.NewClient(files.ControlSock), screen: screen, teller: newTeller(screen)}
		s.teller.quiet = !terminal
		screen.Follow(name, view.NewTail(files.SerialLog, time.Now()).LastLines)
		started[n] = s
		all.Go(func() {
			if errs[n] = s.start(ctx); errs[n] != nil {
				screen.Gone(name)
			}
		})
	}
	all.Wait()
	screen.Close()
	var results []status.Status
	for n, s := range started {
		if errs[n] == nil {
			s.keep(ctx)
			results = append(results, s.now)
		}
	}
	err = errors.Join(errs...)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted; what was begun goes on in the background (`stackemu stop` ends it): %w", errInterrupted)
	}
	if c.Bool("json") && len(results) > 0 {
		return printOutcome(c.Command.Name, results, err)
	}
	for n, s := range started {
		if errs[n] == nil {
			s.print()
		}
	}
	return err
}

// starter brings one instance up, whatever state it is in.
type starter struct {
	cli    *cli.Context
	conf   config.Config
	files  home.Instance
	client *control.Client
	screen *view.View
	teller *teller

	now    status.Status
	own    *launched // the supervisor that we have launched last; nil when there is none, or it is gone
	began  bool      // we have launched one
	held   time.Time // since when somebody holds the instance and cannot be asked
	losses int       // supervisors of ours that were killed
	healed bool      // the instance has been restarted because it was not healthy
}

// recovery is how long a running instance that is not healthy may take to become so by itself. Tests have no time.
var recovery = 15 * time.Second

const (
	// heldPatience is how long another process may hold the instance without a socket: a `reset`, a supervisor that is about
	// to serve or that has just ended.
	heldPatience = 30 * time.Second
	heldPause    = 50 * time.Millisecond
	// maxLosses bounds how often a supervisor of ours may be killed.
	maxLosses = 3
)

// start ends when the instance is healthy, or cannot be.
func (s *starter) start(ctx context.Context) error {
	defer s.part()
	for {
		var err error
		s.now, err = s.client.Status(ctx)
		switch {
		case err == nil && s.now.Healthy && s.began:
			return nil
		case err == nil && s.now.Healthy:
			err = s.see(ctx)
		case err == nil:
			err = s.join(ctx)
		case errors.Is(err, control.ErrNoSupervisor):
			err = s.launch(ctx)
		case errors.Is(err, control.ErrUnresponsive):
			return s.path(fmt.Errorf("%w; `stackemu stop --kill %s` ends it with its VM", err, s.files.Name))
		default:
			return s.path(err)
		}
		if !errors.Is(err, errAgain) {
			return err
		}
	}
}

// errAgain says that the instance has to be looked at again.
var errAgain = errors.New("again")

// launch begins a run, unless somebody else is doing so, or the one that we have begun has failed.
func (s *starter) launch(ctx context.Context) error {
	if s.own != nil {
		if err := s.lastWord(); err != nil {
			return err
		}
		if s.losses++; s.losses >= maxLosses {
			return s.path(fmt.Errorf("%w, %d times: see %s", errNoWord, s.losses, s.files.SupervisorLog))
		}
	}
	own, err := launch(s.cli, s.conf, s.files)
	if err != nil {
		return s.path(err)
	}
	word, err := own.next()
	switch {
	case err != nil:
		own.close()
		return s.path(fmt.Errorf("%w: see %s", err, s.files.SupervisorLog))
	case word.Serving:
		s.own, s.began, s.held = own, true, time.Time{}
		return errAgain
	}
	own.close()
	if word.Held {
		return s.wait(ctx, word)
	}
	if word.Error == nil {
		return s.path(errStoppedMeanwhile)
	}
	return word.Error
}

// lastWord is how the supervisor that we have launched says that it has ended; nil when it could not say anything any more.
func (s *starter) lastWord() error {
	word, err := s.own.next()
	s.part()
	switch {
	case err != nil:
		return nil
	case word.Error != nil:
		return word.Error
	}
	return s.path(errStoppedMeanwhile)
}

var errStoppedMeanwhile = errors.New("was stopped while it started")

// wait lets a moment pass for who holds the instance and has no socket.
func (s *starter) wait(ctx context.Context, word report) error {
	if s.held.IsZero() {
		s.held = time.Now()
	}
	if time.Since(s.held) > heldPatience {
		return word.Error
	}
	select {
	case <-time.After(heldPause):
		return errAgain
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// part lets the supervisor that we have launched go its way.
func (s *starter) part() {
	if s.own != nil {
		s.own.close()
		s.own = nil
	}
}

// join follows a run that is not healthy yet, or not any more, or on its way down.
func (s *starter) join(ctx context.Context) error {
	following, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	patience, after := (*time.Timer)(nil), uint64(0)
	ending, former := s.now.Stopping, s.own == nil && s.now.Lasted()
	switch {
	case ending:
		s.screen.Line(view.Info, s.files.Name+": is being stopped: it is started again after that")
		after = s.now.Seq
	case s.now.State == status.Ready && s.now.DiskFull: // a restart would lose what the guest could not write
		return s.path(fmt.Errorf("it is running, and paused until there is room: %w", syscall.ENOSPC))
	case s.now.State == status.Ready && s.healed:
		return s.path(fmt.Errorf("it is running, but not healthy: %s", illness(s.now)))
	case s.now.State == status.Ready:
		s.screen.Line(view.Warn, fmt.Sprintf("%s: it is running, but not healthy (%s): it is restarted unless it recovers", s.files.Name, illness(s.now)))
		patience, after = time.AfterFunc(recovery, func() { giveUp(errIll) }), s.now.Seq
		defer patience.Stop()
	}
	err := s.client.Events(following, after, func(e status.Event) error {
		s.now = status.Apply(s.now, e)
		s.teller.tell(s.files.Name, e)
		switch {
		case s.now.Healthy && !ending:
			return errWell
		case s.now.State != status.Ready && patience != nil:
			patience.Stop() // its supervisor does something about it
		}
		return nil
	})
	switch {
	case errors.Is(err, errWell):
		return errAgain // the last word is the supervisor's: services and all
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, errIll):
		return s.heal(ctx)
	case errors.Is(err, control.ErrNoSupervisor), errors.Is(err, control.ErrCutOff), err == nil && (ending || former):
		return errAgain // the end of a run that was there before us is no answer to us
	case err != nil:
		return s.path(err)
	case s.own != nil:
		return errAgain // it will say how it has ended, and more than a text
	case s.now.Cause != "":
		return errors.New(s.now.Cause)
	}
	return s.path(errStoppedMeanwhile)
}

var (
	// errWell ends the following of events: the instance is as it should be.
	errWell = errors.New("well")
	// errIll ends it, too: the instance does not recover.
	errIll = errors.New("ill")
)

// heal restarts an instance that does not recover.
func (s *starter) heal(ctx context.Context) error {
	s.healed = true
	s.part() // its end is our wish
	err := s.client.StopAndFollow(ctx, s.now.Seq, false, func(status.Event) error { return nil })
	if err != nil && !errors.Is(err, control.ErrNoSupervisor) && !errors.Is(err, control.ErrCutOff) {
		return s.path(err)
	}
	return errAgain
}

// illness says which services do not answer as they should.
func illness(st status.Status) string {
	text := ""
	for _, x := range st.Services {
		if x.Healthy {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += x.Name
		if x.Detail != "" {
			text += ": " + x.Detail
		}
	}
	return text
}

// keep lets an instance that a `run` has started stay when that ends: somebody has asked for it. That matters to it alone.
func (s *starter) keep(ctx context.Context) {
	if s.began {
		return
	}
	if lease, err := s.client.Lease(ctx, control.LeaseKeep); err == nil {
		lease.Release()
	}
}

func (s *starter) path(err error) error { return fmt.Errorf("%s: start: %w", s.files.Name, err) }

// print says where a ready instance is.
func (s *starter) print() {
	if s.began {
		fmt.Printf("%s  ready  %s\n", s.files.Name, howOf(s.now))
	} else {
		fmt.Printf("%s  is already running  %s\n", s.files.Name, howOf(s.now))
	}
	printURLs(s.now.Services)
}

func printURLs(services []status.Service) {
	width := 0
	for _, x := range services {
		width = max(width, len(x.Name))
	}
	for _, x := range services {
		fmt.Printf("  %-*s  %s\n", width, x.Name, x.URL)
	}
}

// howOf says how an instance became ready: "resumed in 0.31 s".
func howOf(s status.Status) string {
	how := howInWords[s.How]
	if how == "" {
		return ""
	}
	return how + " in " + seconds(time.Duration(s.ElapsedMS)*time.Millisecond)
}

// seconds writes a time as it is compared: 0.31 s, 18 s.
func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
