package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/envtext"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
)

// bringUp is what `stackemu start` does, without a word on standard output: that is the command's.
func (e *errand) bringUp(ctx context.Context) error {
	if before, err := inspect(ctx, e.conf, e.files.Name); err == nil {
		e.orphaned = before.State == status.Orphaned
	}
	terminal, noColor := view.Detect(os.Stderr, os.LookupEnv)
	screen := view.New(os.Stderr, terminal, noColor)
	defer screen.Close()
	screen.Follow(e.files.Name, view.NewTail(e.files.SerialLog, time.Now()).LastLines)
	s := e.starter
	s.screen, s.teller = screen, newTeller(screen)
	s.teller.quiet = !terminal
	if err := s.start(ctx); err != nil {
		screen.Gone(e.files.Name)
		return err
	}
	e.isUp = true
	if e.configFile != "" && !s.began && !e.sees(e.configFile) {
		screen.Line(view.Warn, fmt.Sprintf("%s: it was started without the directory of %s, and cannot read or change that file; "+
			"`stackemu restart --mount DIR %s` gives it one", e.files.Name, e.configFile, e.files.Name))
	}
	return nil
}

// sees says whether the guest of a running instance has the directory of a file.
func (e *errand) sees(file string) bool {
	var record struct {
		Mounts []config.Mount `json:"mounts"`
	}
	text, err := os.ReadFile(e.files.Running)
	if err != nil || json.Unmarshal(text, &record) != nil {
		return false
	}
	return mountedBy(record.Mounts, file)
}

// variables are what a program needs to use the instance, in the order of `stackemu env`: those that are no secret first.
func (e *errand) variables(ctx context.Context) ([]variable, error) {
	plain, err := variables(e.starter.now, e.files)
	if err != nil {
		return nil, fmt.Errorf("%s: run: %w", e.files.Name, err)
	}
	if e.configFile == "" {
		return marked(plain), nil
	}
	own, err := e.credentials(ctx)
	if err != nil {
		return nil, err
	}
	return append(marked(own.over(plain)), variable{Var: envtext.Var{Name: secretKeyVariable, Value: own.SecretServerKey}}), nil
}

// credentials asks the backend for those of the config file's project.
func (e *errand) credentials(ctx context.Context) (credentials, error) {
	got, err := fetchCredentials(ctx, e.starter.now, e.files, e.configFile)
	if err != nil {
		return got, fmt.Errorf("%s: credentials for %s: %w", e.files.Name, e.configFile, err)
	}
	return got, nil
}

// startAndPrint is `start` with the flag that it has in the product's own tool: it prints the credentials then.
func startAndPrint(c *cli.Context) error {
	if c.Bool("json") {
		return &usage{fmt.Errorf("%s --%s prints JSON of its own: leave --json out", c.Command.Name, configFileName)}
	}
	name, err := oneName(c)
	if err != nil {
		return err
	}
	e, err := newErrand(c, name)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = e.bringUp(ctx)
	if err == nil {
		var own credentials
		if own, err = e.credentials(ctx); err == nil {
			return printJSON(os.Stdout, own)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; what was begun goes on in the background (`stackemu stop` ends it): %w", errInterrupted)
	}
	return err
}
