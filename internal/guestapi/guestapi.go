// Package guestapi is what host and guest say to each other in one round trip after a resume or in the middle of a cold boot:
// `stackguest post-resume` reads a [Request] as JSON from its standard input and prints a [Result]. `stackguest answer-host`, which is
// there all the time, does the same at a port of its own, by a [Call] and its [Reply].
//
// It is data only, shared by both sides, so that neither can drift from the other. Fields are only ever added: a host may
// meet an image that is older than itself, and an image a host.
package guestapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Program is the guest's end of the conversation. An image without it is brought up to date step by step.
const (
	Program = "/usr/local/bin/stackguest"
	Command = "post-resume"
)

// The four secrets, by the names under which the product's images know them (design.md, "The guest contract").
const (
	PublishableClientKey = "STACK_SEED_INTERNAL_PROJECT_PUBLISHABLE_CLIENT_KEY"
	SecretServerKey      = "STACK_SEED_INTERNAL_PROJECT_SECRET_SERVER_KEY"
	SuperSecretAdminKey  = "STACK_SEED_INTERNAL_PROJECT_SUPER_SECRET_ADMIN_KEY"
	CronSecret           = "CRON_SECRET"
)

// SecretNames lists the four in the order of the contract.
var SecretNames = []string{PublishableClientKey, SecretServerKey, SuperSecretAdminKey, CronSecret}

// Request is what the host wants to be true in the guest. What is absent stays as it is.
type Request struct {
	Time    time.Time         `json:"time"`              // now, by the host's clock
	Entropy []byte            `json:"entropy,omitempty"` // for the kernel's random pool, which is reseeded with it
	Runtime map[string]string `json:"runtime,omitempty"` // runtime.env of this instance: its host ports above all
	Mounts  []Mount           `json:"mounts,omitempty"`  // 9p devices to mount
	Secrets map[string]string `json:"secrets,omitempty"` // to rotate to, all of SecretNames or none; 64 hex digits each
}

// Mount is one directory of the host.
type Mount struct {
	Tag      string `json:"tag"`  // of the virtio-9p device
	Path     string `json:"path"` // in the guest and in its container: /host or below it
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Call is a line that the host writes to the tools' port.
type Call struct {
	ID      string   `json:"id"` // says which call a reply is to: the port may hold replies that nobody has waited for
	Request *Request `json:"request"`
}

// Reply is a line that the guest writes there: one without a Result when it has read the call, and one with it at the end.
type Reply struct {
	ID     string  `json:"id"`
	Result *Result `json:"result,omitempty"`
}

// MaxLine is the length of a call or a reply at most, in bytes. They have a few KB.
const MaxLine = 1 << 20

// Result is what came of a [Request]: the steps that were done, in their order, up to the one that failed.
type Result struct {
	Steps []Step `json:"steps"`
}

// The names of steps, in the order in which they are done.
const (
	StepClock    = "clock"
	StepEntropy  = "entropy"
	StepRuntime  = "runtime"
	StepMounts   = "mounts"
	StepRotation = "rotation"
)

// Step is one thing done, how long it took, and what went wrong with it, if anything did.
type Step struct {
	Name  string        `json:"name"`
	Took  time.Duration `json:"tookNs"`
	Error string        `json:"error,omitempty"`
}

// Err is the failure of the step that failed, or nil.
func (r Result) Err() error {
	for _, s := range r.Steps {
		if s.Error != "" {
			return fmt.Errorf("%s: %s", s.Name, s.Error)
		}
	}
	return nil
}

// ParseResult reads what the guest printed.
func ParseResult(out []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("the guest's answer: %w", err)
	}
	if len(r.Steps) == 0 {
		return r, errors.New("the guest's answer names no step")
	}
	return r, nil
}
