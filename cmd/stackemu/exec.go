package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
)

// Exit codes of exec that are not the program's own, as shells have them.
const (
	exitNoProgram = 127
	exitSignalled = 128 // and the signal's number
)

func execCommand() *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "run a program in the guest of an instance, as root",
		ArgsUsage: "[NAME] -- PROGRAM [ARG...]",
		Description: "Its standard input is ours (none from a terminal; 8 MiB at most), its output comes when it has ended, and its exit code is\n" +
			"ours: 127 when the guest has no such program, 128 and the signal's number when a signal has ended it. There is no\n" +
			"terminal in the guest.\n\nExample: stackemu exec -- cat /etc/os-release",
		Flags:  []cli.Flag{nameFlag(), &cli.BoolFlag{Name: "no-stdin", Aliases: []string{"n"}, Usage: "give the program no input"}},
		Action: execInGuest,
	}
}

func shellCommand() *cli.Command {
	return &cli.Command{
		Name:      "shell",
		Usage:     "run the commands on standard input in a shell of the guest, as root",
		ArgsUsage: "[NAME]",
		Description: "All of the input goes to one shell (sh), and its output comes when it has ended: there is no terminal in the guest yet.\n\n" +
			"Example: echo 'df -h; uptime' | stackemu shell",
		Flags:  []cli.Flag{nameFlag()},
		Action: shell,
	}
}

func execInGuest(c *cli.Context) error {
	name, program, err := splitExec(c)
	if err != nil {
		return err
	}
	var input []byte
	if !c.Bool("no-stdin") && !term.IsTerminal(int(os.Stdin.Fd())) {
		if input, err = readInput(os.Stdin); err != nil {
			return fmt.Errorf("%s: exec: %w", name, err)
		}
	}
	return runInGuest(c, name, control.ExecRequest{Path: program[0], Args: program[1:], Stdin: input})
}

func shell(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return &usage{errors.New("there is no terminal in the guest yet: pass the commands on standard input (echo uptime | stackemu shell), or use `stackemu exec`")}
	}
	input, err := readInput(os.Stdin)
	if err != nil {
		return fmt.Errorf("%s: shell: %w", name, err)
	}
	return runInGuest(c, name, control.ExecRequest{Path: "/bin/sh", Args: []string{"-s"}, Stdin: input})
}

// splitExec reads NAME -- PROGRAM ARG..., or PROGRAM ARG... after -- alone.
func splitExec(c *cli.Context) (name string, program []string, err error) {
	args := c.Args().Slice()
	if name = c.String("name"); name == "" && len(args) > 1 && args[1] == "--" {
		name, args = args[0], args[1:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if name == "" {
		if name = os.Getenv(nameVariable); name == "" {
			name = home.DefaultInstance
		}
	}
	if len(args) == 0 {
		return "", nil, &usage{errors.New("exec: there is no program to run: stackemu exec [NAME] -- PROGRAM [ARG...]")}
	}
	name, err = resolve(name)
	return name, args, err
}

// forgottenDashes is for who wrote an instance's name and a program without -- between them.
func forgottenDashes(conf config.Config, r control.ExecRequest) string {
	names, err := conf.Folders().Instances()
	if err != nil || !slices.Contains(names, r.Path) || len(r.Args) == 0 {
		return ""
	}
	return fmt.Sprintf("; there is an instance of that name: stackemu exec %s -- %s", r.Path, strings.Join(r.Args, " "))
}

func readInput(in io.Reader) ([]byte, error) {
	input, err := io.ReadAll(io.LimitReader(in, control.MaxInput+1))
	if err == nil && len(input) > control.MaxInput {
		err = fmt.Errorf("the input has more than %s: use a mount for files (--mount)", size(control.MaxInput))
	}
	return input, err
}

func runInGuest(c *cli.Context, name string, r control.ExecRequest) error {
	conf, err := config.FromEnv(os.LookupEnv)
	if err != nil {
		return &usage{err}
	}
	files, err := conf.Folders().Instance(name)
	if err != nil {
		return &usage{err}
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	result, err := control.NewClient(files.ControlSock).Exec(ctx, r)
	var refused *control.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: exec: %w; the program goes on in the guest", name, errInterrupted)
	case errors.As(err, &refused) && refused.Code == control.CodeNoProgram:
		fmt.Fprintf(os.Stderr, "stackemu: %s: exec: %s: no such program in the guest%s\n", name, r.Path, forgottenDashes(conf, r))
		return exitStatus(exitNoProgram)
	case errors.As(err, &refused) && refused.Hint != "":
		return fmt.Errorf("%s: exec: %w; %s", name, err, refused.Hint)
	case err != nil:
		return fmt.Errorf("%s: exec: %w", name, notRunningHint(err))
	}
	_, _ = os.Stdout.Write(result.Stdout)
	_, _ = os.Stderr.Write(result.Stderr)
	if result.Truncated {
		fmt.Fprintf(os.Stderr, "stackemu: %s: exec: %s had more output than the guest's agent keeps\n", name, strings.TrimSpace(r.Path))
	}
	switch {
	case result.Signal != 0:
		return exitStatus(exitSignalled + result.Signal)
	case result.ExitCode != 0:
		return exitStatus(result.ExitCode)
	}
	return nil
}
