// Package doctor looks at everything that a start needs, and says what is wrong and what to do about it on this system.
//
// It promises that nothing of the emulator is changed: it writes at most answers that are kept for later (which accelerator
// runs guests), and files for a moment to see whether hard links work. No examination takes long, none keeps another from being
// made, and a home that is missing or broken is a finding and no failure. Secrets are in no finding.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/config"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, and could be better
	Problem Level = "problem" // something does not work
)

// Finding is the outcome of one check.
type Finding struct {
	Code  string `json:"code"` // of the check; the same for all its outcomes
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Cure  string `json:"cure,omitempty"` // what to do, on this system
}

func ok(code, format string, args ...any) Finding {
	return Finding{Code: code, Level: OK, Text: fmt.Sprintf(format, args...)}
}

// with is a finding that something should be done about.
func with(level Level, code, cure, format string, args ...any) Finding {
	return Finding{Code: code, Level: level, Text: fmt.Sprintf(format, args...), Cure: cure}
}

// Well says whether no finding is a problem.
func Well(all []Finding) bool {
	return !slices.ContainsFunc(all, func(f Finding) bool { return f.Level == Problem })
}

// limit bounds all examinations of QEMU together, and again those of everything else.
const limit = 10 * time.Second

// patient is what is examined.
type patient struct {
	config.Config
	lookup func(string) (string, bool)
}

// Examine makes all checks, with the configuration of these sources.
func Examine(ctx context.Context, s config.Sources) []Finding {
	conf, all, err := configuration(s)
	if err != nil {
		return all
	}
	p := &patient{conf, s.Lookup}
	for _, checks := range [][]func(context.Context) []Finding{
		{p.qemu},
		{p.memory, p.disk, p.home, p.links, p.image, p.firmware, p.ports, p.instances, p.leftovers, p.token},
	} {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
		for _, check := range checks {
			all = append(all, check(ctx)...)
		}
		cancel()
	}
	return all
}

// configuration reads variables and files. What is bad in them are findings, and the rest is examined without it.
func configuration(s config.Sources) (config.Config, []Finding, error) {
	conf, bad, err := config.LoadSound(s)
	if err != nil {
		bad = parts(err)
	}
	if len(bad) == 0 {
		return conf, []Finding{ok("environment", "the variables of the environment are sound"), configFiles(s)}, nil
	}
	var all []Finding
	for _, problem := range bad {
		code, cure := "environment", "unset it, or give it a value that is allowed"
		if _, ok := errors.AsType[*config.FileError](problem); ok {
			code, cure = "config", "mend that line; docs/configuration.md has what is allowed"
		}
		all = append(all, with(Problem, code, cure, "%v", problem))
	}
	return conf, all, err
}

// configFiles tells which files are in force.
func configFiles(s config.Sources) Finding {
	read, _ := config.Explain(s)
	if len(read.Files) == 0 {
		return ok("config", "there is no file with settings; none is needed")
	}
	return ok("config", "settings are in %s", strings.Join(read.Files, " and "))
}

// parts are the errors that were joined.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
