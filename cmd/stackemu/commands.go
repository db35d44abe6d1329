package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// commands are all commands, in the order of the help text.
func commands() []*cli.Command {
	all := []*cli.Command{
		upCommand(), startCommand(), stopCommand(), restartCommand(), statusCommand(), lsCommand(),
		attachCommand(), logsCommand(), execCommand(), shellCommand(), runCommand(), envCommand(), openCommand(), resetCommand(), serviceCommand(),
		pullCommand(), listReleasesCommand(), captureCommand(), snapshotCommand(), imageCommand(), benchCommand(), doctorCommand(), configCommand(), pruneCommand(), traceCommand(), uiCommand(), bugReportCommand(),
		versionCommand(), completionCommand(), manCommand(), superviseCommand(),
	}
	complete(all)
	failInJSON("", all)
	return all
}

// alias is a word that may stand before any command, as in the product's own tool: `stackemu emulator start`.
const alias = "emulator"

// arranged is a command line as the library reads it: without the alias, and with the flags of a command before its
// arguments, wherever they were. After -- nothing is a flag, nor is it in what exec is to run.
func arranged(app *cli.App, args []string) []string {
	n := firstWord(app, args)
	if n < len(args) && args[n] == alias {
		args = slices.Delete(slices.Clone(args), n, n+1)
	}
	if len(args) == 0 || args[len(args)-1] == completionFlag {
		return args
	}
	args = helpAsFlag(app, args, n)
	command, _, n := commandIn(app, args)
	if command == nil || command.Name == "exec" || n > len(args) {
		return args
	}
	flags, others := []string{}, []string{}
	for rest := args[n:]; len(rest) > 0; {
		switch {
		case rest[0] == "--":
			others, rest = append(others, rest...), nil
		case strings.HasPrefix(rest[0], "-") && rest[0] != "-":
			w := min(width(command.Flags, rest[0]), len(rest))
			flags, rest = append(flags, rest[:w]...), rest[w:]
		default:
			others, rest = append(others, rest[0]), rest[1:]
		}
	}
	return slices.Concat(args[:n], flags, others)
}

// firstWord is where the first word of a line is that is not one of the program's own flags.
func firstWord(app *cli.App, args []string) int {
	n := 1
	for n < len(args) && strings.HasPrefix(args[n], "-") {
		n += width(app.Flags, args[n])
	}
	return n
}

// commandIn is the command that a line names, nil for none, its path, and where the words behind it begin.
func commandIn(app *cli.App, args []string) (command *cli.Command, path string, n int) {
	among := app.Commands
	for n = firstWord(app, args); n < len(args); n++ {
		next := commandNamed(among, args[n])
		if next == nil {
			break
		}
		command, path, among = next, strings.TrimSpace(path+" "+next.Name), next.Subcommands
	}
	return command, path, n
}

// helpAsFlag turns `help COMMAND` into `COMMAND --help`, which says more of a command with others below it, and `help WORD` into WORD,
// which is refused as ever.
func helpAsFlag(app *cli.App, args []string, n int) []string {
	if n+1 >= len(args) || args[n] != "help" && args[n] != "h" || strings.HasPrefix(args[n+1], "-") {
		return args
	}
	args = slices.Delete(slices.Clone(args), n, n+1)
	if commandNamed(app.Commands, args[n]) == nil {
		return args
	}
	return append(args, "--help")
}

// width is how many words a flag takes: two if its value is the next one.
func width(flags []cli.Flag, word string) int {
	name := strings.TrimLeft(word, "-")
	if strings.Contains(name, "=") {
		return 1
	}
	for _, f := range flags {
		if _, isBool := f.(*cli.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return 2
		}
	}
	return 1
}

func commandNamed(among []*cli.Command, name string) *cli.Command {
	for _, c := range among {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
