package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/instance"
)

// schemaVersion is the version of the JSON that --json prints. Within it, fields are added but never change.
const schemaVersion = 1

// envelope is what --json prints, one object on standard output: Data of a command that has succeeded, Error of one that has
// not, and both of one that has found something before it failed.
type envelope struct {
	SchemaVersion int            `json:"schemaVersion"`
	Command       string         `json:"command"`
	Data          any            `json:"data,omitempty"`
	Error         *control.Error `json:"error,omitempty"`
}

// oneObject is the usage of the flag by which a command prints an envelope. (Those that print many objects say something else.)
const oneObject = "print one JSON object"

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: oneObject} }

func printData(command string, data any) error {
	return printJSON(os.Stdout, envelope{SchemaVersion: schemaVersion, Command: command, Data: data})
}

// printOutcome prints what a command has found, and why it has failed all the same.
func printOutcome(command string, data any, err error) error {
	if err == nil {
		return printData(command, data)
	}
	if err := printJSON(os.Stdout, envelope{SchemaVersion: schemaVersion, Command: command, Data: data, Error: asData(err)}); err != nil {
		return err
	}
	return exitStatus(exitCodeOf(err))
}

// jsonFailure is an error that is told in JSON, in the place of words.
type jsonFailure struct {
	error
	command string
}

func (j *jsonFailure) Unwrap() error { return j.error }

// failInJSON makes the commands that can print one JSON object tell their errors so, too, when they were asked for it.
func failInJSON(path string, all []*cli.Command) {
	for _, command := range all {
		name, action := path+command.Name, command.Action
		failInJSON(name+" ", command.Subcommands)
		if !slices.ContainsFunc(command.Flags, func(f cli.Flag) bool {
			b, ok := f.(*cli.BoolFlag)
			return ok && b.Name == "json" && b.Usage == oneObject
		}) {
			continue
		}
		command.Action = func(c *cli.Context) error {
			err := action(c)
			var code exitStatus
			if err == nil || !c.Bool("json") || errors.As(err, &code) {
				return err
			}
			return &jsonFailure{err, name}
		}
	}
}

func (j *jsonFailure) tell() {
	_ = printJSON(os.Stdout, envelope{SchemaVersion: schemaVersion, Command: j.command, Error: asData(j.error)})
}

// asData is an error for programs.
func asData(err error) *control.Error {
	var known *control.Error
	if errors.As(err, &known) {
		copied := *known
		copied.Message = err.Error()
		return &copied
	}
	e := &control.Error{Code: "failed", Message: err.Error()}
	var wrong *usage
	var held *instance.HeldError
	var other *control.VersionError
	switch {
	case errors.As(err, &wrong):
		e.Code = "usage"
	case isNetwork(err):
		e.Code, e.Retryable, e.Hint = "network", true, "try again when the network is there; proxies are taken from HTTPS_PROXY"
	case errors.Is(err, github.ErrRateLimited):
		e.Code, e.Retryable, e.Hint = "rate_limited", true, "try again later, or with a GITHUB_TOKEN"
	case errors.Is(err, instance.ErrNoImage), errors.Is(err, actors.ErrNotPulled):
		e.Code, e.Hint = "no_image", "build one with `stackemu image build`, or fetch one with `stackemu pull`"
	case errors.Is(err, control.ErrNoSupervisor):
		e.Code, e.Hint = "not_running", "`stackemu start` starts it"
	case errors.Is(err, control.ErrUnresponsive):
		e.Code, e.Retryable, e.Hint = "supervisor_unresponsive", true, "`stackemu stop --kill` ends it with its VM"
	case errors.As(err, &other):
		e.Code, e.Hint = control.CodeVersion, "`stackemu restart` replaces the supervisor by one of this version"
	case errors.As(err, &held):
		e.Code, e.Retryable, e.Hint = "instance_held", true, "`stackemu stop` ends who has it"
	case errors.Is(err, syscall.EADDRINUSE):
		e.Code, e.Hint = "port_taken", "stop who has the port, or give another one with EMULATOR_*_PORT"
	case errors.Is(err, syscall.ENOSPC):
		e.Code, e.Hint = "disk_full", "`stackemu prune` makes room"
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Hint = "permission", "`stackemu doctor` says what belongs to whom"
	case errors.Is(err, errTimeout):
		e.Code, e.Retryable = "timeout", true
	case errors.Is(err, errInterrupted):
		e.Code, e.Retryable = "interrupted", true
	}
	return e
}

// isNetwork says whether an error is of a server that cannot be reached.
func isNetwork(err error) bool {
	var name *net.DNSError
	var op *net.OpError
	return errors.As(err, &name) || errors.As(err, &op) && op.Op == "dial" && strings.HasPrefix(op.Net, "tcp")
}
