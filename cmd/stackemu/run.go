package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a command with an instance, which is started before and stopped after it",
		ArgsUsage: "[NAME] -- COMMAND [ARG...]",
		Description: "Waits until the instance is ready. The command finds it in its environment: all that `stackemu env` prints, and project id,\n" +
			"publishable key and URLs also with NEXT_PUBLIC_, VITE_ and EXPO_PUBLIC_ before their names. With --config-file they are those\n" +
			"of the file's project, and there is STACK_SECRET_SERVER_KEY. Secret keys of other backends in our own environment are not\n" +
			"passed on. Signals are; the exit code is the command's (126 and 127 when it cannot be run, 128 and the signal's number when a\n" +
			"signal has ended it), and never 0 when the instance has failed. An instance that ran already goes on after that, and one that\n" +
			"others `run` something with is stopped after the last of them.\n\n" +
			"Example: stackemu run --config-file stack.config.ts -- npm run dev",
		Flags: append(runFlags(), configFileFlag(),
			&cli.BoolFlag{Name: "keep", Usage: "leave the instance running"},
			&cli.DurationFlag{Name: "timeout", Value: defaultStopTimeout, Usage: "how long to wait for the instance's end; the stop goes on after that"}),
		Action: runProgram,
	}
}

func runProgram(c *cli.Context) error {
	if err := checkTimeout(c); err != nil {
		return err
	}
	names, program, err := splitRun(c.Args().Slice(), os.Args)
	if err != nil {
		return err
	}
	name, err := nameOfRun(c, names)
	if err != nil {
		return err
	}
	command, err := findProgram(program) // before an instance is started in vain
	if err != nil {
		return err
	}
	e, err := newErrand(c, name)
	if err != nil {
		return err
	}
	relay := newRelay(c.Context)
	defer relay.close()
	return e.run(relay, command)
}

// splitRun divides the arguments at the first --. The library drops it when nothing is before it, and a program may have one
// of its own: so it is looked for in the whole command line.
func splitRun(args, line []string) (names, program []string, err error) {
	if at := slices.Index(line, "--"); at >= 0 {
		program = line[at+1:]
	}
	if len(program) == 0 {
		text := "run: there is no command to run: stackemu run [NAME] -- COMMAND [ARG...]"
		if len(args) > 0 {
			text = fmt.Sprintf("run: want -- before the command, for instance: stackemu run -- %s", args[0])
		}
		return nil, nil, &usage{errors.New(text)}
	}
	names = args[:len(args)-len(program)]
	if n := len(names); n > 0 && names[n-1] == "--" {
		names = names[:n-1]
	}
	return names, program, nil
}

func nameOfRun(c *cli.Context, names []string) (string, error) {
	if c.IsSet("name") {
		names = append(slices.Clone(names), c.String("name"))
	}
	switch {
	case len(names) > 1:
		return "", &usage{errors.New("run takes one instance name at most")}
	case len(names) == 1:
		return resolve(names[0])
	}
	return configuredName(c)
}

// run brings the instance up, runs the command, and stops what it has started.
func (e *errand) run(relay *relay, command *program) error {
	err := e.use(relay.ctx)
	var vars []variable
	if err == nil {
		vars, err = e.variables(relay.ctx)
	}
	if err == nil {
		err = relay.run(command, commandEnvironment(os.Environ(), vars))
	}
	if err != nil && relay.interrupted() != 0 { // before the command was there to be told
		complain(fmt.Errorf("%s: run: %w", e.files.Name, errInterrupted))
		err = exitStatus(exitSignalled + int(relay.interrupted()))
	}
	return worst(err, e.leave(relay.rest()))
}

// leave ends what this command has begun. It fails if the instance has, whoever has started it.
func (e *errand) leave(ctx context.Context) error {
	defer e.release()
	now, err := inspect(ctx, e.conf, e.files.Name)
	if err == nil && now.State == status.Failed && e.isUp {
		return fmt.Errorf("%s: run: the instance failed meanwhile: %s", e.files.Name, now.Cause)
	}
	if !e.ours() || e.cli.Bool("keep") || err == nil && (now.State == status.Stopped || now.State == status.Failed) || e.replaced(now) {
		return nil
	}
	if users, stops := e.giveBack(ctx); !stops {
		if users > 0 {
			fmt.Fprintf(os.Stderr, "%s: it is in use by %d other `stackemu run`, and is stopped after that\n", e.files.Name, users)
		}
		return nil
	}
	_, err = stopOne(ctx, e.cli, e.conf, e.files.Name)
	return err
}

// use brings the instance up and sees to it that nobody's `run` stops it before we have ended.
func (e *errand) use(ctx context.Context) error {
	for {
		e.starter = e.newStarter()
		if err := e.bringUp(ctx); err != nil {
			return err
		}
		kind := control.LeaseUse
		switch {
		case e.cli.Bool("keep"):
			kind = control.LeaseKeep
		case e.ours():
			kind = control.LeaseOwn
		}
		var err error
		e.lease, err = e.starter.client.Lease(ctx, kind)
		var refused *control.Error
		switch {
		case errors.Is(err, control.ErrNoSupervisor), errors.As(err, &refused) && refused.Code == control.CodeStopping:
			continue // it is somebody's end that we have come to
		case err != nil:
			return fmt.Errorf("%s: run: %w", e.files.Name, err)
		}
		return nil
	}
}

// giveBack ends our use of the instance, and says how many others use it, and whether it is to be stopped.
func (e *errand) giveBack(ctx context.Context) (users int, stops bool) {
	if e.lease == nil {
		return 0, true
	}
	users, stops, err := e.lease.Return(ctx)
	return users, stops || err != nil // a stop says what is wrong with it
}

func (e *errand) release() {
	if e.lease != nil {
		e.lease.Release()
	}
}

// ours says whether this command has started the instance: one that ran already, in whatever state, is somebody else's.
func (e *errand) ours() bool {
	s := e.starter
	return s.began && !s.healed && !e.orphaned && s.now.How != status.HowAdopt
}

// replaced says whether somebody else has stopped our instance and started it again.
func (e *errand) replaced(now status.Status) bool {
	mine := e.starter.now.Supervisor
	return mine != nil && now.Supervisor != nil && now.Supervisor.PID != mine.PID
}

// worst is the outcome of a run: the command's own exit code, unless that says that all is well when it is not.
func worst(ofCommand, ofInstance error) error {
	var code exitStatus
	if ofInstance == nil || !errors.As(ofCommand, &code) {
		return errors.Join(ofCommand, ofInstance)
	}
	complain(ofInstance)
	return code
}

// errand is what a command wants of one instance that it brings up.
type errand struct {
	cli        *cli.Context
	conf       config.Config
	files      home.Instance
	configFile string // "" without --config-file
	starter    *starter
	lease      *control.Lease // nil until it is up
	orphaned   bool           // its VM ran before, without a supervisor
	isUp       bool           // it has been ready
}

// newErrand checks all that can be checked before an instance is started.
func newErrand(c *cli.Context, name string) (*errand, error) {
	e := &errand{cli: c}
	var err error
	if e.conf, err = configFor(c, []string{name}); err != nil {
		return nil, err
	}
	if e.configFile, err = takeConfigFile(c, &e.conf); err != nil {
		return nil, err
	}
	if _, err := logger(c, os.Stderr); err != nil { // the supervisor would be the one to complain
		return nil, err
	}
	if e.files, err = e.conf.Folders().Instance(name); err != nil {
		return nil, &usage{err}
	}
	e.starter = e.newStarter()
	return e, nil
}

func (e *errand) newStarter() *starter {
	return &starter{cli: e.cli, conf: e.conf, files: e.files, client: control.NewClient(e.files.ControlSock)}
}
