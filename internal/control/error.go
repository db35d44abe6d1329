package control

import (
	"errors"
	"fmt"
)

// Version is the version of the protocol that this program speaks.
const Version = 1

// versionHeader names the sender's version, in requests and in answers; programHeader the version of its program.
const (
	versionHeader = "Stackemu-Control"
	programHeader = "Stackemu-Version"
)

// ErrNoSupervisor says that nobody serves the instance: there is no socket, or one that a killed supervisor has left.
var ErrNoSupervisor = errors.New("has no supervisor")

// ErrUnresponsive says that a supervisor is there and has not answered in time.
var ErrUnresponsive = errors.New("its supervisor does not answer")

// ErrStranger says that the process at the other end of the socket belongs to another user.
var ErrStranger = errors.New("the socket belongs to another user")

// VersionError says that a supervisor speaks another version of the protocol.
type VersionError struct {
	Theirs  string // as they say; may be empty
	Program string // the version of their program; may be empty
}

func (e *VersionError) Error() string {
	who := "its supervisor"
	if e.Program != "" {
		who = "its supervisor (stackemu " + e.Program + ")"
	}
	if e.Theirs == "" {
		return who + " does not speak the control protocol"
	}
	return fmt.Sprintf("%s speaks version %s of the control protocol, and this program version %d: `stackemu restart` replaces it", who, e.Theirs, Version)
}

// Codes of errors, for programs.
const (
	CodeVersion   = "control_version"
	CodeRequest   = "bad_request"
	CodeNoAgent   = "guest_agent_unavailable"
	CodeNoProgram = "no_such_program"
	CodeNoSession = "no_sessions" // the guest's tools are older than sessions, or it has none
	CodeNoLog     = "no_log"      // the instance has not written it yet
	CodeStopping  = "stopping"    // the instance is being stopped
	CodeInternal  = "internal"
)

// Error is an error as it travels.
type Error struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`      // the same request may succeed later
	Hint      string `json:"hint,omitempty"` // what to do about it
}

func (e *Error) Error() string { return e.Message }
