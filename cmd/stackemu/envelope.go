package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/view"
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

// jsonFlag is the flag by which a command prints an envelope. Those that print one object a line say so in theirs.
func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print one JSON object"} }

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
	line    bool // on one line, as all that the command prints
}

func (j *jsonFailure) Unwrap() error { return j.error }

func (j *jsonFailure) tell() {
	e := envelope{SchemaVersion: schemaVersion, Command: j.command, Error: asData(j.error)}
	if j.line {
		_ = json.NewEncoder(view.JSON(os.Stdout)).Encode(e)
		return
	}
	_ = printJSON(os.Stdout, e)
}

// failInJSON makes the commands that can print JSON tell their errors so, too, when they were asked for it.
func failInJSON(path string, all []*cli.Command) {
	for _, command := range all {
		name, action := path+command.Name, command.Action
		failInJSON(name+" ", command.Subcommands)
		if !printsJSON(command) {
			continue
		}
		command.Action = func(c *cli.Context) error {
			err := action(c)
			var code exitStatus
			if err == nil || !c.Bool("json") || errors.As(err, &code) {
				return err
			}
			return &jsonFailure{err, name, printsLines(command)}
		}
	}
}

func printsJSON(c *cli.Command) bool {
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return f.Names()[0] == "json" })
}

// printsLines says whether the JSON of a command is one object a line.
func printsLines(c *cli.Command) bool {
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool {
		b, ok := f.(*cli.BoolFlag)
		return ok && b.Name == "json" && strings.Contains(b.Usage, "a line")
	})
}

// lineInJSON makes a jsonFailure of what is wrong with a command line before its command has seen it, if the line asks for JSON.
func lineInJSON(app *cli.App, line []string, err error) error {
	var wrong *usage
	var told *jsonFailure
	if !errors.As(err, &wrong) || errors.As(err, &told) {
		return err
	}
	if n := slices.Index(line, "--"); n >= 0 {
		line = line[:n]
	}
	command, path, _ := commandIn(app, line)
	if command == nil || !printsJSON(command) || !slices.ContainsFunc(line, asksForJSON) {
		return err
	}
	return &jsonFailure{err, path, printsLines(command)}
}

func asksForJSON(word string) bool {
	name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
	on, _ := strconv.ParseBool(value)
	return strings.HasPrefix(word, "-") && name == "json" && (on || !given)
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
	var space *download.SpaceError
	switch {
	case errors.As(err, &wrong):
		e.Code = "usage"
	case ofTransfer(e, err):
	case errors.Is(err, syscall.ENOSPC), errors.As(err, &space):
		e.Code, e.Hint = "disk_full", "`stackemu prune` makes room"
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
	case errors.Is(err, fs.ErrPermission):
		e.Code, e.Hint = "permission", "`stackemu doctor` says what belongs to whom"
	case errors.Is(err, errTimeout):
		e.Code, e.Retryable = "timeout", true
	case errors.Is(err, errInterrupted), errors.Is(err, lifecycle.ErrNotCaptured):
		e.Code, e.Retryable = "interrupted", true
	}
	return e
}

// ofTransfer says what is to be said of an error of GitHub or of a download, if it is one.
func ofTransfer(e *control.Error, err error) bool {
	var asked *github.Error
	var answer *download.StatusError
	status, hint := 0, ""
	switch {
	case errors.As(err, &asked):
		status, hint = asked.Status, asked.Advice
	case errors.As(err, &answer):
		status = answer.Code
	}
	switch {
	case errors.Is(err, github.ErrRateLimited):
		e.Code, e.Retryable, hint = "rate_limited", true, "try again later, or with a GITHUB_TOKEN"
	case errors.Is(err, actors.ErrNotPulled) && status >= 400 && status < 500: // nobody has asked for what is not there
		return false
	case errors.Is(err, github.ErrNeedsToken), status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Code, hint = "unauthorized", cmp.Or(hint, "the address, or what signs it, is not valid any more")
	case errors.Is(err, github.ErrNotFound), errors.Is(err, github.ErrExpired), status == http.StatusNotFound, status == http.StatusGone:
		e.Code, hint = "not_found", cmp.Or(hint, "`stackemu list-releases` shows what there is")
	case errors.Is(err, download.ErrChanged):
		e.Code, e.Retryable, hint = "changed", true, "the same command fetches what is there now"
	case isNetwork(err), asked != nil && errors.Is(err, context.DeadlineExceeded), errors.Is(err, download.ErrStalled), status >= 500, status == http.StatusTooManyRequests:
		e.Code, e.Retryable, hint = "network", true, cmp.Or(hint, "try again when the network is there; proxies are taken from HTTPS_PROXY")
	default:
		return false
	}
	e.Hint = hint
	return true
}

// isNetwork says whether an error is of a server that cannot be reached, or not any more.
func isNetwork(err error) bool {
	var name *net.DNSError
	var op *net.OpError
	return errors.As(err, &name) || errors.As(err, &op) && op.Op != "listen" && strings.HasPrefix(op.Net, "tcp")
}
