package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/profile"
)

func openCommand() *cli.Command {
	return &cli.Command{
		Name:      "open",
		Usage:     "open a service of an instance in the browser",
		ArgsUsage: "[SERVICE]",
		Description: "SERVICE is dashboard unless another one is named. Where no browser can be opened the URL is printed.\n\n" +
			"Example: stackemu open mail --name pr-42",
		Flags:  []cli.Flag{nameFlag(), &cli.BoolFlag{Name: "url", Usage: "print the URL and open nothing"}, jsonFlag()},
		Action: open,
	}
}

func open(c *cli.Context) error {
	if c.NArg() > 1 {
		return &usage{fmt.Errorf("open takes one service at most; the instance is given with --name")}
	}
	service := profile.Dashboard
	if c.NArg() == 1 {
		service = c.Args().First()
	}
	name, err := namedInstance(c)
	if err != nil {
		return err
	}
	conf, err := settings(c)
	if err != nil {
		return err
	}
	files, err := conf.Folders().Instance(name)
	if err != nil {
		return &usage{err}
	}
	suggestInstances(c, conf, name)
	s, err := control.NewClient(files.ControlSock).Status(c.Context)
	if err != nil {
		return fmt.Errorf("%s: open: %w", name, notRunningHint(err))
	}
	found, ok := s.Service(service)
	if !ok {
		var names []string
		for _, x := range s.Services {
			names = append(names, x.Name)
		}
		return fmt.Errorf("%s: open: there is no service %q (there are: %s)", name, service, strings.Join(names, ", "))
	}
	opened := !c.Bool("url") && browse(found.URL) == nil
	switch {
	case c.Bool("json"):
		return printData("open", map[string]any{"instance": name, "service": service, "url": found.URL, "opened": opened})
	case !opened:
		fmt.Println(found.URL)
	}
	return nil
}

// namedInstance is the instance of a command whose arguments are something else.
func namedInstance(c *cli.Context) (string, error) {
	if c.IsSet("name") {
		return resolve(c.String("name"))
	}
	return configuredName(c)
}

// browse asks the desktop to show a page. It says nothing on our streams.
func browse(url string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	return exec.Command(opener, url).Run()
}
