package main

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestArranged(t *testing.T) {
	app := &cli.App{Flags: []cli.Flag{&cli.StringFlag{Name: "log-level"}, &cli.BoolFlag{Name: "loud"}}, Commands: []*cli.Command{
		{Name: "logs", Flags: []cli.Flag{&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}}, &cli.IntFlag{Name: "lines", Aliases: []string{"n"}}}},
		{Name: "exec", Flags: []cli.Flag{&cli.StringFlag{Name: "name"}}},
		{Name: "snapshot", Subcommands: []*cli.Command{{Name: "rm", Flags: []cli.Flag{&cli.BoolFlag{Name: "yes"}}}}},
	}}
	for line, want := range map[string]string{
		"":                                     "",
		"logs":                                 "logs",
		"logs a -f -n 3":                       "logs -f -n 3 a",
		"logs a --lines=3 b":                   "logs --lines=3 a b",
		"logs a -n":                            "logs -n a",
		"logs a - -- -f":                       "logs a - -- -f",
		"logs a --what b":                      "logs --what a b",
		"snapshot rm key --yes":                "snapshot rm --yes key",
		"snapshot what --yes":                  "snapshot --yes what",
		"exec a -- ls -l":                      "exec a -- ls -l",
		"exec a ls -l --name b":                "exec a ls -l --name b",
		"emulator logs a -f":                   "logs -f a",
		"emulator":                             "",
		"--log-level debug emulator logs":      "--log-level debug logs",
		"--log-level=debug --loud logs a -f":   "--log-level=debug --loud logs -f a",
		"--log-level emulator":                 "--log-level emulator",
		"logs emulator":                        "logs emulator",
		"what emulator":                        "what emulator",
		"logs a -f --generate-bash-completion": "logs a -f --generate-bash-completion",
		"help":                                 "help",
		"help --loud":                          "help --loud",
		"help logs":                            "logs --help",
		"h snapshot rm":                        "snapshot rm --help",
		"emulator help logs":                   "logs --help",
		"help what":                            "what",
	} {
		args := append([]string{"stackemu"}, strings.Fields(line)...)
		if got := strings.Join(arranged(app, args)[1:], " "); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	if got := arranged(app, nil); got != nil {
		t.Errorf("got %q", got)
	}
}

func FuzzArranged(f *testing.F) {
	f.Add("logs a -f -n 3")
	f.Add("emulator --log-level")
	f.Fuzz(func(t *testing.T, line string) {
		args := append([]string{"stackemu"}, strings.Fields(line)...)
		app := &cli.App{Commands: commands()}
		got := arranged(app, args)
		if n := len(args) - len(got); n < 0 || n > 1 {
			t.Errorf("%q: got %q", args, got)
		}
	})
}

func TestDidYouMean(t *testing.T) {
	names := []string{"up", "start", "stop", "status", "ls", "logs", "restart", "version"}
	for word, want := range map[string]string{
		"upp": "up", "strat": "start", "sotp": "stop", "statsu": "status", "log": "logs", "vresion": "version", "weather": "", "x": "", "": "", "start": "start",
	} {
		got := didYouMean(word, names)
		if want != "" {
			want = `, did you mean "` + want + `"?`
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

// Every command can be asked for help, and shows an example.
func TestHelpHasExamples(t *testing.T) {
	var check func(path string, all []*cli.Command)
	check = func(path string, all []*cli.Command) {
		for _, c := range all {
			name := strings.TrimSpace(path + " " + c.Name)
			if c.Usage == "" {
				t.Errorf("%s: no usage", name)
			}
			if !c.Hidden && !strings.Contains(c.Description, "Example") {
				t.Errorf("%s: no example", name)
			}
			check(name, c.Subcommands)
		}
	}
	for _, c := range commands() {
		if c.Subcommands == nil {
			check("", []*cli.Command{c})
			continue
		}
		check(c.Name, c.Subcommands)
	}
}
