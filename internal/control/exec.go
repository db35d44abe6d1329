package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxInput is the most that a program in the guest can be given on its standard input, in bytes: all of it travels at once.
const MaxInput = 8 << 20

// maxBody bounds a request: MaxInput in base64, and the rest.
const maxBody = MaxInput*4/3 + 1<<20

// ExecRequest is a program to be run in the guest, as root.
type ExecRequest struct {
	Path  string   `json:"path"` // absolute, or to be found in the guest's PATH
	Args  []string `json:"args,omitempty"`
	Stdin []byte   `json:"stdin,omitempty"` // MaxInput at most
}

// ExecResult is how it has ended.
type ExecResult struct {
	ExitCode  int    `json:"exitCode"`
	Signal    int    `json:"signal,omitempty"` // what killed it; the exit code means nothing then
	Stdout    []byte `json:"stdout,omitempty"`
	Stderr    []byte `json:"stderr,omitempty"`
	Truncated bool   `json:"truncated,omitempty"` // there was more output than the guest's agent keeps
}

type stopRequest struct {
	Kill bool `json:"kill"`
}

// decode reads the one JSON value of a request. Fields that are not known are an error: a newer client may mean something by
// them that must not be ignored.
func decode(body io.Reader, into any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) { // no body is the zero value
		return fmt.Errorf("the request is not what was expected: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the request has something after its end")
	}
	return nil
}

func (r ExecRequest) check() error {
	switch {
	case r.Path == "":
		return errors.New("there is no program to run")
	case len(r.Stdin) > MaxInput:
		return fmt.Errorf("the input has %d bytes, and %d can be passed on", len(r.Stdin), MaxInput)
	}
	return nil
}
