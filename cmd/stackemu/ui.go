package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/ui"
)

func uiCommand() *cli.Command {
	return &cli.Command{
		Name:      "ui",
		Usage:     "serve a live page about all instances, until Ctrl-C",
		ArgsUsage: "[NAME]",
		Description: "Prints the link of a page on this machine that shows how all instances are, what happens in them, and starts and stops them.\n" +
			"The link is good for this run only: who has it can do all that the page can. The instance NAME is shown first. Instances go on\n" +
			"when the page ends.\n\nExample: stackemu ui --open",
		Flags: []cli.Flag{
			nameFlag(),
			&cli.IntFlag{Name: "port", DefaultText: "any", Usage: "serve at this `PORT` of 127.0.0.1"},
			&cli.BoolFlag{Name: "open", Usage: "open the page in the browser"},
		},
		Action: uiAction,
	}
}

func uiAction(c *cli.Context) error {
	if port := c.Int("port"); port < 0 || port > 65535 {
		return &usage{fmt.Errorf("--port %d: want 1 to 65535, or 0 for any", port)}
	}
	name, err := oneName(c)
	if err != nil {
		return err
	}
	conf, err := settings(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	page, err := openUI(conf, c.Int("port"), name, c.Bool("open"))
	if err != nil {
		return err
	}
	defer page.close()
	fmt.Fprintln(os.Stderr, "Ctrl-C ends the page; instances go on")
	<-ctx.Done()
	return nil
}

// uiPage is a page that is served.
type uiPage struct {
	server *ui.Server
	lead   string // the file that has led a browser there; empty for none
}

// openUI serves the page about all instances, prints its link, and shows it in the browser if that is wanted.
func openUI(conf config.Config, port int, name string, inBrowser bool) (*uiPage, error) {
	server, err := ui.Serve(ui.Options{
		Home:    conf.Folders(),
		Port:    port,
		Inspect: func(ctx context.Context, name string) (status.Status, error) { return inspect(ctx, conf, name) },
		Act:     act,
	})
	if err != nil {
		return nil, err
	}
	p := &uiPage{server: server}
	fmt.Println(server.URL(name))
	if inBrowser {
		if err := p.browse(server.URL(name)); err != nil {
			p.close()
			return nil, fmt.Errorf("ui: %w", err)
		}
	}
	return p, nil
}

// browse asks the desktop to show the page, and does not wait for it: some openers last as long as the browser. The address is a secret
// and others can see command lines: the browser is led there by a file that only this user can read.
func (p *uiPage) browse(address string) error {
	file, err := os.CreateTemp("", "stackemu-ui-*.html") // with mode 0600
	if err != nil {
		return err
	}
	p.lead = file.Name()
	_, err = fmt.Fprintf(file, "<!doctype html><meta charset=\"utf-8\"><title>stackemu</title><meta http-equiv=\"refresh\" content=\"0; url=%[1]s\"><a href=\"%[1]s\">stackemu</a>\n",
		html.EscapeString(address))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	go func() {
		if err := browse("file://" + p.lead); err != nil {
			fmt.Fprintf(os.Stderr, "no browser could be opened (%v): open the link yourself\n", err)
		}
	}()
	return nil
}

func (p *uiPage) close() {
	_ = p.server.Close() // who looks at it sees that it is gone
	if p.lead != "" {
		_ = os.Remove(p.lead)
	}
}

// act does what the command of the action's name does, by running it: it goes on when the page has ended.
func act(name string, action ui.Action) error {
	if action != ui.Reset {
		return runSelf(string(action), "--json", "--", name)
	}
	if err := runSelf("stop", "--json", "--", name); err != nil {
		return err
	}
	return runSelf("reset", "--yes", "--", name)
}

// runSelf runs this program. The error of a command is what it says.
func runSelf(args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var out, complaint bytes.Buffer
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is for the page
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	var said envelope
	if json.Unmarshal(out.Bytes(), &said) == nil && said.Error != nil {
		return said.Error
	}
	if words := strings.TrimPrefix(strings.TrimSpace(complaint.String()), "stackemu: "); words != "" {
		return errors.New(words)
	}
	return err
}
