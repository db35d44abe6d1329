package main

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/envtext"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// The scripts ask the program itself what can follow, with the flag of the library.
var (
	//go:embed completion/bash.sh
	bashCompletion string
	//go:embed completion/zsh.sh
	zshCompletion string
)

// completionFlag is what the scripts put at the end of a line that they ask about.
const completionFlag = "--generate-bash-completion"

// complete makes the names of instances and the values of flags what commands can be completed with, besides flags and commands.
func complete(all []*cli.Command) {
	for _, command := range all {
		complete(command.Subcommands)
		if command.BashComplete != nil {
			continue
		}
		usual, isGroup := cli.DefaultCompleteWithFlags(command), len(command.Subcommands) > 0 // now: the library adds one, help
		command.BashComplete = func(c *cli.Context) {
			last := ""
			if n := len(os.Args); n > 2 {
				last = os.Args[n-2] // it is before the flag that has brought us here
			}
			for _, word := range append(valuesOf(command, last), instancesFor(c, command, last)...) {
				fmt.Println(word)
			}
			if strings.HasPrefix(last, "-") || isGroup {
				usual(c)
			}
		}
	}
}

// takesInstances says whether a command's arguments are names of instances.
func takesInstances(command *cli.Command) bool { return strings.HasPrefix(command.ArgsUsage, "[NAME") }

// instancesFor are the names that can stand behind a word.
func instancesFor(c *cli.Context, command *cli.Command, last string) []string {
	if last != "--name" && (strings.HasPrefix(last, "-") || !takesInstances(command)) {
		return nil
	}
	conf, _, err := config.LoadSound(sources(c))
	if err != nil {
		return nil
	}
	names, _ := conf.Folders().Instances()
	return names
}

// valuesOf are those of a flag that has few.
func valuesOf(command *cli.Command, flag string) []string {
	switch {
	case flag == "--arch":
		return []string{"amd64", "arm64"}
	case flag == "--engine":
		return engines
	case flag == "--source":
		return sourceNames()
	case flag == "--format" && command.Name == "env":
		return slices.Sorted(maps.Keys(envtext.Formats))
	case flag == "--format":
		return []string{string(snapshot.Lazy), string(snapshot.MappedRAM)}
	}
	return nil
}

// fishCompletion is the library's script, which knows commands and flags, and what only we know.
func fishCompletion(app *cli.App) (string, error) {
	script, err := app.ToFishCompletion()
	var b strings.Builder
	b.WriteString(script)
	fishWords(&b, "", app.Commands)
	b.WriteString("\n")
	return b.String(), err
}

func fishWords(b *strings.Builder, path string, all []*cli.Command) {
	for _, command := range all {
		if command.Hidden {
			continue
		}
		path := path + " " + command.Name
		fishWords(b, path, command.Subcommands)
		line := fmt.Sprintf("\ncomplete -c stackemu -n '__fish_seen_subcommand_from %s' -f", strings.Join(command.Names(), " "))
		if takesInstances(command) {
			fmt.Fprintf(b, "%s -a '(stackemu%s %s 2>/dev/null)'", line, path, completionFlag)
		}
		for _, f := range command.Flags {
			if name := f.Names()[0]; valuesOf(command, "--"+name) != nil {
				fmt.Fprintf(b, "%s -l %s -r -a '%s'", line, name, strings.Join(valuesOf(command, "--"+name), " "))
			}
		}
	}
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script for a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: "Example for bash, in ~/.bashrc: source <(stackemu completion bash)\nExample for zsh, in ~/.zshrc after compinit: " +
			"source <(stackemu completion zsh)\nExample for fish: stackemu completion fish >~/.config/fish/completions/stackemu.fish",
		BashComplete: func(*cli.Context) { fmt.Println("bash\nzsh\nfish") },
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return &usage{fmt.Errorf("completion takes the name of a shell: bash, zsh or fish")}
			}
			script := ""
			switch shell := c.Args().First(); shell {
			case "bash":
				script = bashCompletion
			case "zsh":
				script = zshCompletion
			case "fish":
				var err error
				if script, err = fishCompletion(c.App); err != nil {
					return err
				}
			default:
				return &usage{fmt.Errorf("completion: there is nothing for %q: want bash, zsh or fish", shell)}
			}
			_, err := os.Stdout.WriteString(script)
			return err
		},
	}
}
