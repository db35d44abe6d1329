package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/session"
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
		Description: "Its standard input is ours (a terminal only with -i), its output comes as it is written, and its exit code is ours: 127\n" +
			"when the guest has no such program, 128 and the signal's number when a signal has ended it. With -t it has a terminal, of\n" +
			"the size of ours, and Ctrl-C is a key like any other; without one Ctrl-C ends it. It ends, too, when the connection does.\n\n" +
			"Example: stackemu exec -it -- top",
		UseShortOptionHandling: true, // -it
		Flags: []cli.Flag{nameFlag(),
			&cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Usage: "give the program our standard input, also when that is a terminal"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give the program a terminal"},
			&cli.BoolFlag{Name: "no-stdin", Aliases: []string{"n"}, Usage: "give the program no input"}},
		Action: execInGuest,
	}
}

func shellCommand() *cli.Command {
	return &cli.Command{
		Name:      "shell",
		Usage:     "a shell in the guest, as root",
		ArgsUsage: "[NAME]",
		Description: "On a terminal it is root's login shell, with a terminal of the same size. Else it is sh, which runs the commands on standard\n" +
			"input.\n\nExample: echo 'df -h; uptime' | stackemu shell",
		Flags:  []cli.Flag{nameFlag()},
		Action: shell,
	}
}

func execInGuest(c *cli.Context) error {
	name, words, err := splitExec(c)
	if err != nil {
		return err
	}
	onTerminal := term.IsTerminal(int(os.Stdin.Fd()))
	interactive, tty, none := c.Bool("interactive"), c.Bool("tty"), c.Bool("no-stdin")
	switch {
	case interactive && none:
		return &usage{errors.New("exec: -i and --no-stdin contradict each other")}
	case interactive && tty && !onTerminal:
		return &usage{errors.New("exec: standard input is no terminal: leave -t out")}
	}
	g := guestProgram{command: "exec", name: name, Program: session.Program{Path: words[0], Args: words[1:]},
		input: !none && (interactive || !onTerminal && !tty), mustStream: interactive || tty}
	if tty {
		g.Terminal = ourTerminal()
	}
	return g.run(c)
}

func shell(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	g := guestProgram{command: "shell", name: name, input: true}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		g.mustStream, g.Terminal = true, ourTerminal()
	} else {
		g.Program = session.Program{Path: "/bin/sh", Args: []string{"-s"}}
	}
	return g.run(c)
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
	if len(args) == 0 {
		return "", nil, &usage{errors.New("exec: there is no program to run: stackemu exec [NAME] -- PROGRAM [ARG...]")}
	}
	if name == "" {
		name, err = configuredName(c)
	} else {
		name, err = resolve(name)
	}
	return name, args, err
}

// forgottenDashes is for who wrote an instance's name and a program without -- between them.
func forgottenDashes(conf config.Config, p session.Program) string {
	names, err := conf.Folders().Instances()
	if err != nil || !slices.Contains(names, p.Path) || len(p.Args) == 0 {
		return ""
	}
	return fmt.Sprintf("; there is an instance of that name: stackemu exec %s -- %s", p.Path, strings.Join(p.Args, " "))
}
