package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "see what is configured, and where",
		Description: "Settings come from flags, from variables of the environment, from a project's stackemu.yaml and from your own file, in this\n" +
			"order. docs/configuration.md has all of them.\n\nExample: stackemu config show",
		Subcommands: []*cli.Command{configShowCommand(), configCheckCommand(), configSchemaCommand()},
	}
}

func configShowCommand() *cli.Command {
	return &cli.Command{
		Name:  "show",
		Usage: "list every setting, its value and where that comes from",
		Description: "FROM is a flag, a variable of the environment, the line of a file, or default. The flags are those of `up`: they show what it\n" +
			"would do with them.\n\nExample: stackemu config show --json",
		Flags:  append(runFlags(), jsonFlag()),
		Action: configShow,
	}
}

func configShow(c *cli.Context) error {
	if c.NArg() > 0 {
		return &usage{fmt.Errorf("config show takes no argument (%q)", c.Args().First())}
	}
	e, problems := config.Explain(sources(c, append(runSettings, "name")...))
	if err := errors.Join(problems...); err != nil {
		return &usage{err}
	}
	if c.Bool("json") {
		return printData("config show", e)
	}
	return printSettings(os.Stdout, e)
}

func printSettings(out io.Writer, e config.Explained) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tFROM")
	for _, s := range e.Settings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Key, s.Value, s.Origin)
	}
	for _, p := range e.Profiles {
		fmt.Fprintf(w, "profiles.%s\t\t%s\n", p.Name, p.Origin)
	}
	return w.Flush()
}

func configCheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "see whether files with settings are sound",
		ArgsUsage: "[FILE]",
		Description: "Without FILE the files that are in force here are checked, and the variables of the environment with them. Exit code 1 when\n" +
			"something is wrong; each problem is a line with the file, the line in it, and what is allowed.\n\nExample: stackemu config check stackemu.yaml",
		Flags:  []cli.Flag{jsonFlag()},
		Action: configCheck,
	}
}

// checkedFiles is what `config check --json` prints.
type checkedFiles struct {
	Files    []string       `json:"files"`
	Problems []checkProblem `json:"problems"`
}

type checkProblem struct {
	File string `json:"file,omitempty"` // none when it is about a variable
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

func configCheck(c *cli.Context) error {
	if c.NArg() > 1 {
		return &usage{errors.New("config check takes one file at most")}
	}
	files, problems, err := examined(c)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printData("config check", asProblems(files, problems))
	} else {
		err = printCheck(files, problems)
	}
	if err == nil && len(problems) > 0 {
		return exitStatus(exitFailed)
	}
	return err
}

// examined is what was looked at, and what is wrong with it.
func examined(c *cli.Context) (files []string, problems []error, err error) {
	if c.NArg() == 0 {
		e, problems := config.Explain(sources(c))
		return e.Files, problems, nil
	}
	path, err := filepath.Abs(c.Args().First())
	if err != nil {
		return nil, nil, err
	}
	return []string{path}, sources(c).Check(path), nil
}

func asProblems(files []string, problems []error) checkedFiles {
	all := checkedFiles{Files: files, Problems: []checkProblem{}}
	for _, err := range problems {
		p := checkProblem{Text: err.Error()}
		var at *config.FileError
		if errors.As(err, &at) {
			p = checkProblem{File: at.Path, Line: at.Line, Text: at.Err.Error()}
		}
		all.Problems = append(all.Problems, p)
	}
	return all
}

// printCheck writes problems to standard error, as they would be told by any other command.
func printCheck(files []string, problems []error) error {
	for _, err := range problems {
		complain(err)
	}
	switch {
	case len(problems) > 0:
	case len(files) == 0:
		fmt.Printf("there is no file to check: neither %s here or above, nor one of your own\n", config.FileName)
	default:
		for _, path := range files {
			fmt.Printf("%s  is sound\n", path)
		}
	}
	return nil
}

func configSchemaCommand() *cli.Command {
	return &cli.Command{
		Name:  "schema",
		Usage: "print the JSON schema of stackemu.yaml, for editors",
		Description: "Editors with the YAML language server take it from a comment in the file: # yaml-language-server: $schema=stackemu.schema.json\n\n" +
			"Example: stackemu config schema >stackemu.schema.json",
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return &usage{fmt.Errorf("config schema takes no argument (%q)", c.Args().First())}
			}
			_, err := os.Stdout.Write(config.Schema())
			return err
		},
	}
}
