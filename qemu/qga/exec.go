package qga

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/span"
)

// How often a process in the guest is asked for. The first questions come fast, for the commands that matter end within
// tenths of a second; later ones must not keep the guest busy.
const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 250 * time.Millisecond
)

// ExecResult is a process in the guest that has ended.
type ExecResult struct {
	ExitCode int    // 0 also after a signal
	Signal   int    // what killed it, or 0
	Stdout   []byte // the first 16 MiB
	Stderr   []byte // the first 16 MiB
	// Truncated is what the agent says about output beyond its limit. QEMU 10.0's agent has been seen to cut 20 MB and say
	// nothing.
	Truncated bool
}

// StillRunningError is a process in the guest that was left running because the context had ended. The agent cannot
// kill it.
type StillRunningError struct {
	PID int64
	Err error // the context's cause, or what broke the connection
}

// Error names the process.
func (e *StillRunningError) Error() string {
	return fmt.Sprintf("process %d goes on in the guest: %v", e.PID, e.Err)
}

// Unwrap gives the cause.
func (e *StillRunningError) Unwrap() error { return e.Err }

// ErrNoProgram is the error of a program that the guest does not have (or whose interpreter it does not have).
var ErrNoProgram = errors.New("no such program in the guest")

// Exec runs the program at path in the guest with its arguments and input, and waits for its end. An exit code that is
// not 0 is no error; a program that is not there is [ErrNoProgram]. A context without deadline means to wait for ever; each
// question on the way still has its own.
func (g *Client) Exec(ctx context.Context, path string, args []string, stdin []byte) (*ExecResult, error) {
	end := span.Begin(ctx, "guest", "guest-exec "+path) // its arguments may be secrets
	result, err := g.exec(span.Silent(ctx), path, args, stdin)
	end(err)
	return result, err
}

func (g *Client) exec(ctx context.Context, path string, args []string, stdin []byte) (*ExecResult, error) {
	pid, err := g.startExec(ctx, path, args, stdin)
	if err != nil {
		return nil, noProgram(path, err)
	}
	for began := time.Now(); ; {
		result, err := g.pollExec(ctx, pid)
		if err != nil {
			return nil, fmt.Errorf("qga: %s: %w", path, &StillRunningError{pid, err})
		}
		if result != nil {
			return result, nil
		}
		select {
		case <-time.After(pause(time.Since(began))):
		case <-ctx.Done():
			return nil, fmt.Errorf("qga: %s: %w", path, &StillRunningError{pid, context.Cause(ctx)})
		}
	}
}

// pause is how long to wait before the next question about a process that has run for a time: an eighth of it, so that its end
// is seen hardly later than it comes.
func pause(ran time.Duration) time.Duration {
	return min(max(firstPoll, ran/8), lastPoll)
}

// noProgram marks the refusal to start a program that is not there. The agent has words for it only: those of glib around
// those of the C library.
func noProgram(path string, err error) error {
	var refusal *Error
	if errors.As(err, &refusal) && strings.Contains(refusal.Desc, "(No such file or directory)") {
		return fmt.Errorf("qga: %s: %w: %w", path, ErrNoProgram, refusal)
	}
	return err
}

// startExec starts a process and returns its pid in the guest.
func (g *Client) startExec(ctx context.Context, path string, args []string, stdin []byte) (int64, error) {
	if args == nil {
		args = []string{} // the agent refuses null
	}
	request := struct {
		Path    string   `json:"path"`
		Arg     []string `json:"arg"`
		Input   []byte   `json:"input-data,omitempty"` // base64, as encoding/json writes it
		Capture bool     `json:"capture-output"`
	}{path, args, stdin, true}
	var started struct {
		PID int64 `json:"pid"`
	}
	err := g.Execute(ctx, "guest-exec", request, &started)
	return started.PID, err
}

// pollExec returns the result of a process that has ended, or nil. The agent forgets a process once it has told its end.
func (g *Client) pollExec(ctx context.Context, pid int64) (*ExecResult, error) {
	var s struct {
		Exited       bool   `json:"exited"`
		ExitCode     int    `json:"exitcode"`
		Signal       int    `json:"signal"`
		Out          []byte `json:"out-data"`
		Err          []byte `json:"err-data"`
		OutTruncated bool   `json:"out-truncated"`
		ErrTruncated bool   `json:"err-truncated"`
	}
	if err := g.Execute(ctx, "guest-exec-status", map[string]int64{"pid": pid}, &s); err != nil || !s.Exited {
		return nil, err
	}
	truncated := s.OutTruncated || s.ErrTruncated || max(len(s.Out), len(s.Err)) >= maxCaptured
	return &ExecResult{s.ExitCode, s.Signal, s.Out, s.Err, truncated}, nil
}

// maxCaptured is as much of an output as an agent keeps, in bytes (GUEST_EXEC_MAX_OUTPUT of its sources). Older agents do not tell that
// there was more.
const maxCaptured = 16 << 20
