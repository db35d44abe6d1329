package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/session"
)

// guestProgram is a program to run in a guest for a command of ours.
type guestProgram struct {
	session.Program
	command    string    // ours
	name       string    // of the instance
	out        io.Writer // for its standard output; nil is ours
	input      bool      // it gets our standard input
	mustStream bool      // it makes no sense with all of its input at the start and its output at the end
}

// run runs it. Its exit code is the error, but for 0.
func (g guestProgram) run(c *cli.Context) error {
	conf, err := settings(c)
	if err != nil {
		return err
	}
	files, err := conf.Folders().Instance(g.name)
	if err != nil {
		return &usage{err}
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	client := control.NewClient(files.ControlSock)
	exit, err := g.stream(ctx, client)
	var refused *control.Error
	if errors.As(err, &refused) && refused.Code == control.CodeNoSession && !g.mustStream {
		exit, err = g.atOnce(ctx, client)
	}
	switch {
	case err != nil:
		return g.failure(ctx, c, conf, err)
	case exit.Signal != 0:
		return exitStatus(exitSignalled + exit.Signal)
	case exit.Code != 0:
		return exitStatus(exit.Code)
	}
	return nil
}

// failure is why a program has no exit code.
func (g guestProgram) failure(ctx context.Context, c *cli.Context, conf config.Config, err error) error {
	path := func(err error) error { return fmt.Errorf("%s: %s: %w", g.name, g.command, err) }
	var refused *control.Error
	switch {
	case ctx.Err() != nil:
		return path(errInterrupted)
	case errors.Is(err, session.ErrNoProgram), errors.As(err, &refused) && refused.Code == control.CodeNoProgram:
		complain(path(fmt.Errorf("%s: %w%s", g.Path, session.ErrNoProgram, forgottenDashes(conf, g.Program))))
		return exitStatus(exitNoProgram)
	case errors.As(err, &refused) && refused.Hint != "":
		return path(fmt.Errorf("%w; %s", err, refused.Hint))
	}
	suggestInstances(c, conf, g.name)
	return path(notRunningHint(err))
}

// stream runs it with live input and output.
func (g guestProgram) stream(ctx context.Context, client *control.Client) (session.Exit, error) {
	keys, err := session.NewKeys()
	if err != nil {
		return session.Exit{}, err
	}
	conn, err := client.Session(ctx, keys.Guest())
	if err != nil {
		return session.Exit{}, err
	}
	s := session.Streams{Out: os.Stdout, Err: os.Stderr}
	if g.out != nil {
		s.Out = g.out
	}
	if g.input {
		in, done := cancellable(os.Stdin)
		defer done()
		s.In = in
	}
	if g.Terminal != nil {
		sizes, restore, err := takeTerminal(g.input)
		if err != nil {
			_ = conn.Close()
			return session.Exit{}, err
		}
		defer restore()
		s.Resized = sizes
	}
	return session.Run(ctx, conn, keys, g.Program, s)
}

// atOnce runs it in a guest that has no sessions: all of the input goes there first, and all of the output comes in the end.
func (g guestProgram) atOnce(ctx context.Context, client *control.Client) (session.Exit, error) {
	r := control.ExecRequest{Path: g.Path, Args: g.Args}
	if g.input {
		var err error
		if r.Stdin, err = readInput(os.Stdin); err != nil {
			return session.Exit{}, err
		}
	}
	result, err := client.Exec(ctx, r)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "stackemu: %s: %s: the program goes on in the guest\n", g.name, g.command)
	}
	if err != nil {
		return session.Exit{}, err
	}
	_, _ = os.Stdout.Write(result.Stdout)
	_, _ = os.Stderr.Write(result.Stderr)
	if result.Truncated {
		fmt.Fprintf(os.Stderr, "stackemu: %s: %s: %s had more output than the guest's agent keeps\n", g.name, g.command, strings.TrimSpace(r.Path))
	}
	return session.Exit{Code: result.ExitCode, Signal: result.Signal}, nil
}

func readInput(in io.Reader) ([]byte, error) {
	input, err := io.ReadAll(io.LimitReader(in, control.MaxInput+1))
	if err == nil && len(input) > control.MaxInput {
		err = fmt.Errorf("the input has more than %s, and the tools of this guest cannot stream it: use a mount for files (--mount)", size(control.MaxInput))
	}
	return input, err
}
