// Package command is the command line of stackguest: one static binary, many names.
//
// In the guest the commands of the contract are links to the binary, and the name by which it is called decides. Called by
// its own name, the first argument does.
package command

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// Streams are the standard streams of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Command runs with its arguments, without its name, and returns an exit code.
type Command func(args []string, std Streams) int

// binary is the name of stackguest itself.
const binary = "stackguest"

// Main finds the command that args (with args[0], the program's name) ask for, among commands, and runs it. Exit code 2
// means that there is no such command.
func Main(commands map[string]Command, args []string, std Streams) int {
	name, rest := filepath.Base(args[0]), args[1:]
	if name == binary || commands[name] == nil {
		if len(rest) == 0 {
			return usage(commands, std.Err)
		}
		name, rest = rest[0], rest[1:]
	}
	run := commands[name]
	if run == nil {
		fmt.Fprintf(std.Err, "%s: no command %q\n", binary, name)
		return usage(commands, std.Err)
	}
	return run(rest, std)
}

func usage(commands map[string]Command, out io.Writer) int {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(out, "usage: %s COMMAND [ARGUMENT...]\ncommands:\n", binary)
	for _, name := range names {
		fmt.Fprintln(out, " ", name)
	}
	return 2
}
