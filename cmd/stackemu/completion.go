package main

import (
	_ "embed"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// The scripts ask the program itself what can follow, with the flag of the library.
var (
	//go:embed completion/bash.sh
	bashCompletion string
	//go:embed completion/zsh.sh
	zshCompletion string
)

// completeInstances makes the names of instances what a command can be completed with, besides its flags.
func completeInstances(command *cli.Command) *cli.Command {
	flags := cli.DefaultCompleteWithFlags(command)
	command.BashComplete = func(c *cli.Context) {
		if words := os.Args; len(words) > 2 && strings.HasPrefix(words[len(words)-2], "-") {
			flags(c)
			return
		}
		conf, err := settings(c)
		if err != nil {
			return
		}
		names, _ := conf.Folders().Instances()
		for _, name := range names {
			fmt.Println(name)
		}
	}
	return command
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
				if script, err = c.App.ToFishCompletion(); err != nil {
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
