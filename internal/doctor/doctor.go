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

// Examine makes all checks. lookup is os.LookupEnv or a test's map.
func Examine(ctx context.Context, lookup func(string) (string, bool)) []Finding {
	conf, all := environment(lookup)
	if !conf.valid {
		return all
	}
	p := &patient{conf.Config, lookup}
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

// checked is a configuration that may be of use.
type checked struct {
	config.Config
	valid bool
}

// environment reads the variables. Bad ones are findings, and the rest is examined without them.
func environment(lookup func(string) (string, bool)) (checked, []Finding) {
	const code = "environment"
	conf, err := config.FromEnv(lookup)
	if err == nil {
		return checked{conf, true}, []Finding{ok(code, "the variables of the environment are sound")}
	}
	var all []Finding
	bad := map[string]bool{}
	for _, err := range parts(err) {
		var value *config.ValueError
		if errors.As(err, &value) {
			bad[value.Variable] = true
		}
		all = append(all, with(Problem, code, "unset it, or give it a value that is allowed", "%v", err))
	}
	conf, err = config.FromEnv(func(name string) (string, bool) {
		if bad[name] {
			return "", false
		}
		return lookup(name)
	})
	return checked{conf, err == nil}, all
}

// parts are the errors that were joined.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
