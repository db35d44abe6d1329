package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/instance"
)

// schemaVersion is the version of the JSON that --json prints. Within it, fields are added but never change.
const schemaVersion = 1

// envelope is what --json prints, one object on standard output: Data of a command that has succeeded, Error of one that has
// not.
type envelope struct {
	SchemaVersion int            `json:"schemaVersion"`
	Command       string         `json:"command"`
	Data          any            `json:"data,omitempty"`
	Error         *control.Error `json:"error,omitempty"`
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print one JSON object"} }

func printData(command string, data any) error {
	return printJSON(os.Stdout, envelope{SchemaVersion: schemaVersion, Command: command, Data: data})
}

// jsonFailure is an error that is told in JSON, in the place of words.
type jsonFailure struct {
	error
	command string
}

func (j *jsonFailure) Unwrap() error { return j.error }

// inJSON makes the errors of a command that was asked for JSON be told in JSON.
func inJSON(command *cli.Command) *cli.Command { return inJSONAs(command.Name, command) }

// inJSONAs is inJSON for a command whose name has several words.
func inJSONAs(name string, command *cli.Command) *cli.Command {
	action := command.Action
	command.Action = func(c *cli.Context) error {
		err := action(c)
		var code exitStatus
		if err == nil || !c.Bool("json") || errors.As(err, &code) {
			return err
		}
		return &jsonFailure{err, name}
	}
	return command
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
	case errors.Is(err, instance.ErrNoImage), errors.Is(err, actors.ErrNotPulled):
		e.Code, e.Hint = "no_image", "build one with `stackemu image build`"
	case errors.Is(err, control.ErrNoSupervisor):
		e.Code, e.Hint = "not_running", "`stackemu start` starts it"
	case errors.Is(err, control.ErrUnresponsive):
		e.Code, e.Retryable = "supervisor_unresponsive", true
	case errors.As(err, &other):
		e.Code, e.Hint = control.CodeVersion, "`stackemu restart` replaces the supervisor by one of this version"
	case errors.As(err, &held):
		e.Code, e.Retryable = "instance_held", true
	case errors.Is(err, syscall.EADDRINUSE):
		e.Code, e.Hint = "port_taken", "stop who has the port, or give another one with EMULATOR_*_PORT"
	case errors.Is(err, syscall.ENOSPC):
		e.Code, e.Hint = "disk_full", "`stackemu prune` makes room"
	case errors.Is(err, fs.ErrPermission):
		e.Code = "permission"
	case errors.Is(err, errTimeout):
		e.Code, e.Retryable = "timeout", true
	case errors.Is(err, errInterrupted):
		e.Code, e.Retryable = "interrupted", true
	}
	return e
}
