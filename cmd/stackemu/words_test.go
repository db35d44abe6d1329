package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/messages"
)

func TestEventOf(t *testing.T) {
	boom := messages.Cause{Err: errors.New("default: boom")}
	for _, x := range []struct {
		message messages.Observer
		want    status.Event
	}{
		{&messages.StateChanged{Instance: "default", Attempt: "a-1", From: "probing", To: "ready", Since: 1500 * time.Millisecond, How: lifecycle.Resume.String(), Snapshot: "key",
			Services: []messages.Service{{Name: "backend", URL: "http://localhost:26701"}}},
			status.Event{Kind: status.StateEntered, Attempt: "a-1", From: "probing", State: "ready", ElapsedMS: 1500, How: "resume", Snapshot: "key",
				Services: []status.Place{{Name: "backend", URL: "http://localhost:26701", Port: 26701}}}},
		{&messages.StateChanged{Instance: "default", To: "draining", Cause: boom}, status.Event{Kind: status.StateEntered, State: "draining", Cause: "default: boom"}},
		{&messages.ServiceChanged{Instance: "default", Service: "backend", Detail: "status 503"}, status.Event{Kind: status.ServiceChanged, Service: "backend", Detail: "status 503"}},
		{&messages.Notice{Instance: "default", Warning: true, Text: "slow"}, status.Event{Kind: status.Noted, Warning: true, Text: "slow"}},
		{&messages.InstanceEnded{Instance: "default", State: "failed", Cause: boom}, status.Event{Kind: status.Ended, State: "failed", Cause: "default: boom"}},
	} {
		name, e, ok := eventOf(x.message)
		if e.Time.IsZero() {
			t.Errorf("%T: no time", x.message)
		}
		e.Time = time.Time{}
		if !ok || name != "default" || fmt.Sprint(e) != fmt.Sprint(x.want) {
			t.Errorf("%T: got %s, %+v, %v", x.message, name, e, ok)
		}
	}
	if _, _, ok := eventOf(&messages.FleetIdle{}); ok {
		t.Error("the end of the fleet is no instance's")
	}
	for way, how := range map[lifecycle.Way]string{lifecycle.Cold: "cold", lifecycle.Resume: "resume", lifecycle.Adopt: "adopt"} {
		if hows[way.String()] != how {
			t.Errorf("%s: got %q", way, hows[way.String()])
		}
	}
}

func TestExitStatusOf(t *testing.T) {
	for _, x := range []struct {
		state   string
		healthy bool
		want    exitStatus
	}{
		{"ready", true, 0}, {"ready", false, 4}, {"probing", false, 4}, {"saving", false, 4}, {"stopped", false, 3}, {"failed", false, 5},
		{"orphaned", false, 4}, {"unresponsive", false, 4}, {"absent", false, 4},
	} {
		if got := exitStatusOf(status.Status{State: x.state, Healthy: x.healthy}); got != x.want {
			t.Errorf("%s, healthy %v: got %d, want %d", x.state, x.healthy, got, x.want)
		}
	}
}

func TestTimesInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 42*time.Second + 900*time.Millisecond: "42s", 12*time.Minute + 3*time.Second: "12m3s", 5*time.Hour + 2*time.Minute: "5h2m", 76 * time.Hour: "3d4h",
	} {
		if got := uptime(d); got != want {
			t.Errorf("uptime %v: got %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{310 * time.Millisecond: "0.31 s", 18200 * time.Millisecond: "18 s", 3*time.Minute + 400*time.Millisecond: "3m0s"} {
		if got := seconds(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestPrintStatus(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	s := status.Status{Instance: "pr-42", State: "ready", ReadyAt: at, How: "cold", ElapsedMS: 18200, Why: "EMULATOR_NO_SNAPSHOT is set", Snapshot: "abc", Image: "/i",
		Services:   []status.Service{{Place: status.Place{Name: "dashboard", URL: "http://localhost:26710"}, Healthy: true}, {Place: status.Place{Name: "backend", URL: "http://localhost:26711"}, Detail: "status 503"}},
		Supervisor: &status.Supervisor{PID: 7, Version: "1.0"}, VM: &status.VM{PID: 8, Memory: &status.Memory{Private: 300 << 20, Shared: 1 << 30}}, Cause: "boom"}
	const want = `instance      pr-42
state         unhealthy, up 1m0s
started       cold boot in 18 s (EMULATOR_NO_SNAPSHOT is set)
dashboard     http://localhost:26710  healthy
backend       http://localhost:26711  not healthy: status 503
vm            QEMU, pid 8; memory: 300 MiB private, 1.0 GiB shared
supervisor    pid 7, in the foreground, stackemu 1.0
snapshot      abc
image         /i
last failure  boom
`
	var b bytes.Buffer
	if err := printStatus(&b, s, at.Add(time.Minute)); err != nil || b.String() != want {
		t.Errorf("%v, got\n%s", err, b.String())
	}
}

// Every code that a program may meet is in the documentation.
func TestCodesOfTheSupervisorAreDocumented(t *testing.T) {
	reference, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{control.CodeVersion, control.CodeRequest, control.CodeNoAgent, control.CodeNoProgram, control.CodeNoSession, control.CodeNoLog,
		control.CodeStopping, control.CodeInternal} {
		if !strings.Contains(string(reference), "`"+code+"`") {
			t.Errorf("docs/cli.md does not have the code %s", code)
		}
	}
}

func TestErrorsAsData(t *testing.T) {
	reference, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		err       error
		code      string
		retryable bool
	}{
		{errors.New("x"), "failed", false},
		{&usage{errors.New("x")}, "usage", false},
		{instance.ErrNoImage, "no_image", false},
		{&instance.HeldError{PID: 3}, "instance_held", true},
		{control.ErrNoSupervisor, "not_running", false},
		{control.ErrUnresponsive, "supervisor_unresponsive", true},
		{&control.VersionError{Theirs: "2"}, "control_version", false},
		{syscall.EADDRINUSE, "port_taken", false},
		{syscall.ENOSPC, "disk_full", false},
		{syscall.EACCES, "permission", false},
		{&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, "network", true},
		{&net.DNSError{Err: "no such host"}, "network", true},
		{errors.Join(fmt.Errorf("pull: %w", &net.DNSError{Err: "no such host"}), actors.ErrNotPulled), "network", true},
		{actors.ErrNotPulled, "no_image", false},
		{&net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}, "port_taken", false},
		{&github.Error{What: "releases", Err: github.ErrRateLimited}, "rate_limited", true},
		{&github.Error{What: "x", Status: 401, Err: errors.New("401")}, "unauthorized", false},
		{&github.Error{What: "x", Status: 403, Err: errors.New("403"), Advice: "ask"}, "unauthorized", false},
		{&github.Error{What: "x", Err: github.ErrNeedsToken}, "unauthorized", false},
		{&github.Error{What: "x", Status: 404, Err: github.ErrNotFound}, "not_found", false},
		{&github.Error{What: "x", Err: github.ErrExpired}, "not_found", false},
		{&github.Error{What: "x", Status: 502, Err: errors.New("502")}, "network", true},
		{&github.Error{What: "x", Err: context.DeadlineExceeded}, "network", true},
		{&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, "network", true},
		{download.ErrStalled, "network", true},
		{&download.StatusError{Code: 503}, "network", true},
		{&download.StatusError{Code: 429}, "network", true},
		{&download.StatusError{Code: 403}, "unauthorized", false},
		{&download.StatusError{Code: 404}, "not_found", false},
		{&download.StatusError{Code: 418}, "failed", false},
		{errors.Join(&download.StatusError{Code: 404}, actors.ErrNotPulled), "no_image", false},
		{errors.Join(&download.StatusError{Code: 503}, actors.ErrNotPulled), "network", true},
		{errors.Join(&download.SpaceError{Dir: "/d"}, actors.ErrNotPulled), "disk_full", false},
		{download.ErrChanged, "changed", true},
		{&download.SpaceError{Dir: "/d", Need: 1}, "disk_full", false},
		{lifecycle.ErrNotCaptured, "interrupted", true},
		{errTimeout, "timeout", true},
		{errInterrupted, "interrupted", true},
		{&control.Error{Code: "guest_agent_unavailable", Message: "not now", Retryable: true}, "guest_agent_unavailable", true},
	} {
		e := asData(fmt.Errorf("default: start: %w", x.err))
		if !strings.Contains(string(reference), "`"+e.Code+"`") {
			t.Errorf("docs/cli.md does not have the code %s", e.Code)
		}
		if e.Hint == "" && !slices.Contains([]string{"failed", "usage", "timeout", "interrupted"}, e.Code) && e.Code != "guest_agent_unavailable" {
			t.Errorf("%v: no hint", x.err)
		}
		if e.Code != x.code || e.Retryable != x.retryable || !strings.HasPrefix(e.Message, "default: start: ") {
			t.Errorf("%v: got %+v", x.err, e)
		}
	}
}
