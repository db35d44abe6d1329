package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
)

func attachCommand() *cli.Command {
	return &cli.Command{
		Name:      "attach",
		Usage:     "follow an instance as `up` does; Ctrl-C leaves it running",
		ArgsUsage: "[NAME]",
		Description: "Shows what has happened to the instance since its start, and what happens, until it has ended. With --json every event is\n" +
			"one JSON object on one line.\n\nExample: stackemu attach pr-42",
		Flags:  []cli.Flag{nameFlag(), &cli.BoolFlag{Name: "json", Usage: "print one JSON object a line"}},
		Action: attach,
	}
}

func attach(c *cli.Context) error {
	_, files, err := knownInstance(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	show, done := followers(c.Bool("json"), files.Name, files.SerialLog)
	defer done()
	var last status.Event
	err = control.NewClient(files.ControlSock).Events(ctx, 0, func(e status.Event) error {
		last = e
		return show(e)
	})
	switch {
	case ctx.Err() != nil:
		done()
		fmt.Fprintf(os.Stderr, "detached; %s goes on\n", files.Name)
		return nil
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return fmt.Errorf("%s: attach: %w", files.Name, notRunningHint(err))
	case last.Cause != "" && c.Bool("json"):
		return exitStatus(exitFailed) // the last event has said why
	case last.Cause != "":
		return errors.New(last.Cause)
	}
	return nil
}

// followers shows events in the one way or the other.
func followers(asJSON bool, name, serial string) (show func(status.Event) error, done func()) {
	if asJSON {
		return func(e status.Event) error { return json.NewEncoder(view.JSON(os.Stdout)).Encode(e) }, func() {}
	}
	terminal, noColor := view.Detect(os.Stdout, os.LookupEnv)
	screen := view.New(os.Stdout, terminal, noColor)
	screen.Follow(name, view.NewTail(serial, time.Now()).LastLines)
	t := newTeller(screen)
	return func(e status.Event) error {
		t.tell(name, e)
		return nil
	}, screen.Close
}

// notRunningHint adds to the error of an instance without a supervisor what to do about it.
func notRunningHint(err error) error {
	if errors.Is(err, control.ErrNoSupervisor) {
		return fmt.Errorf("it is not running: it %w; `stackemu start` starts it", err)
	}
	return err
}
