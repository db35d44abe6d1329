package qemutest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/session"
)

// Guest is the stack in the guest: its tools, and services that know its secrets. Like a real one it keeps what it knows in
// RAM and on its disk, so that a machine with the RAM of one moment and the disk of another is found out (see memory).
type Guest struct {
	NoTools    bool              // an image without stackguest
	Tools      Tools             // who is at the tools' port
	StepErrors map[string]string // what goes wrong after a resume, by the step of stackguest
	Sessions   bool              // stackguest knows sessions; their programs are those of the host
	RequestTo  string            // file on the host that the last request of a post-resume is written to
	DiskFull   string            // as long as this file is there, the host's disk has no room for what the guest writes
}

// Tools is how the guest's tools are at their port.
type Tools int

// The ways.
const (
	Absent  Tools = iota // the port is not open
	AtHand               // they answer
	Mute                 // the port is open, and nobody reads
	CutOff               // they read a call, and come to no end
	Strange              // they say what is no answer before theirs
)

// PlaceholderKey is the publishable client key of a guest that nobody has given another one.
var PlaceholderKey = strings.Repeat("0", 32) + strings.Repeat("f", 32)

// ProjectPath is where the backend tells a project's credentials to whoever has the publishable client key.
const ProjectPath = "/api/v1/internal/local-emulator/project"

// KeyHeader is the header of a request that has the key.
const KeyHeader = "X-Stack-Publishable-Client-Key"

// runProgram runs a program of the guest. ok is false if the guest does not have it.
func (m *machine) runProgram(path string, args []string, input []byte) (e Exec, ok bool) {
	g := m.script.Guest
	switch {
	case g == nil:
		return Exec{}, false
	case slices.Contains(plainPrograms, path):
		return Exec{}, true
	case path == "/bin/mountpoint":
		return Exec{ExitCode: 32}, true // nothing is mounted yet
	case path == "/bin/mount" && len(args) > 1:
		return ended(m.mount([]guestapi.Mount{{Tag: args[len(args)-2]}})), true
	case path == "/usr/local/bin/trigger-fast-rotate":
		return ended(m.rotate(variables(input))), true
	case path != guestapi.Program || g.NoTools:
		return Exec{}, false
	case g.Sessions && slices.Equal(args, []string{session.Command}):
		return serveSession(input), true
	case !slices.Equal(args, []string{guestapi.Command}):
		return Exec{ExitCode: 2, Stderr: "stackguest: no such command"}, true
	}
	return m.postResume(input), true
}

// serveSession is `stackguest session`.
func serveSession(input []byte) Exec {
	invitation, err := session.ReadInvitation(bytes.NewReader(input))
	if err != nil {
		return Exec{ExitCode: 1, Stderr: "stackguest: " + err.Error()}
	}
	return Exec{work: func() { _ = session.Serve(context.Background(), "127.0.0.1", invitation) }}
}

// plainPrograms do their work and say nothing.
var plainPrograms = []string{"/bin/sync", "/bin/umount", "/bin/dd", "/bin/mkdir"}

// ended is the end of a program that has failed with err, or has not.
func ended(err error) Exec {
	if err != nil {
		return Exec{ExitCode: 1, Stderr: err.Error()}
	}
	return Exec{}
}

// variables reads lines of KEY=value.
func variables(text []byte) map[string]string {
	vars := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		vars[name] = value
	}
	return vars
}

// postResume is `stackguest post-resume`.
func (m *machine) postResume(input []byte) Exec {
	if file := m.script.Guest.RequestTo; file != "" {
		if err := os.WriteFile(file, input, 0o600); err != nil {
			return Exec{ExitCode: 1, Stderr: err.Error()}
		}
	}
	var r guestapi.Request
	if err := json.Unmarshal(input, &r); err != nil {
		return Exec{ExitCode: 1, Stderr: "stackguest: post-resume: the request: " + err.Error()}
	}
	result := m.refresh(r)
	out, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	if err := result.Err(); err != nil {
		return Exec{Stdout: string(out), ExitCode: 1, Stderr: "stackguest: " + err.Error()}
	}
	return Exec{Stdout: string(out)}
}

// serveTools plays the tools at their port. A paused guest reads what was sent when it goes on.
func (m *machine) serveTools(c net.Conn) {
	var how Tools
	if g := m.script.Guest; g != nil {
		how = g.Tools
	}
	for lines := bufio.NewScanner(c); lines.Scan(); {
		<-m.running()
		var call guestapi.Call
		if how == Absent || how == Mute || json.Unmarshal(lines.Bytes(), &call) != nil || call.ID == "" {
			continue
		}
		say := json.NewEncoder(c)
		if how == Strange {
			_ = say.Encode(guestapi.Reply{ID: "another", Result: &guestapi.Result{}})
			_, _ = io.WriteString(c, "\xff{\x1b[2J\n\n")
		}
		_ = say.Encode(guestapi.Reply{ID: call.ID})
		if how == CutOff {
			return
		}
		result := m.refresh(*call.Request)
		_ = say.Encode(guestapi.Reply{ID: call.ID, Result: &result})
	}
}

// refresh does the steps of a request up to the first that fails.
func (m *machine) refresh(r guestapi.Request) (result guestapi.Result) {
	for _, step := range []struct {
		name   string
		wanted bool
		run    func() error
	}{
		{guestapi.StepClock, true, func() error { return unless(!r.Time.IsZero(), "the request has no time") }},
		{guestapi.StepEntropy, len(r.Entropy) > 0, func() error { return nil }},
		{guestapi.StepRuntime, r.Runtime != nil, func() error { return nil }},
		{guestapi.StepMounts, len(r.Mounts) > 0, func() error { return m.mount(r.Mounts) }},
		{guestapi.StepRotation, len(r.Secrets) > 0, func() error { return m.rotate(r.Secrets) }},
	} {
		if !step.wanted {
			continue
		}
		done := guestapi.Step{Name: step.name}
		if wrong := m.script.Guest.StepErrors[step.name]; wrong != "" && m.resumed() {
			done.Error = wrong
		} else if err := step.run(); err != nil {
			done.Error = err.Error()
		}
		result.Steps = append(result.Steps, done)
		if done.Error != "" {
			break
		}
	}
	return result
}

func unless(ok bool, wrong string) error {
	if ok {
		return nil
	}
	return errors.New(wrong)
}

// mount finds the devices. Where a real guest would wait for one, it has been plugged in before the guest went on.
func (m *machine) mount(mounts []guestapi.Mount) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mount := range mounts {
		tags := slices.Collect(maps.Values(m.tags))
		if !slices.Contains(tags, mount.Tag) {
			return fmt.Errorf("there is no device with the tag %q", mount.Tag)
		}
	}
	return nil
}

var secretForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// rotate takes four new secrets. What it has written to its disk by then outlives a kill.
func (m *machine) rotate(secrets map[string]string) error {
	for _, name := range guestapi.SecretNames {
		if !secretForm.MatchString(secrets[name]) {
			return fmt.Errorf("%s: a secret must be 64 lower-case hexadecimal digits", name)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.memory.Key = secrets[guestapi.PublishableClientKey]
	return m.keepMemory()
}

// serveProject is the backend's answer to a request for credentials: it knows one key.
func (m *machine) serveProject(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	key := m.memory.Key
	m.mu.Unlock()
	if r.Method != http.MethodPost || r.Header.Get(KeyHeader) != key {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprint(w, `{"project_id":"project","publishable_client_key":"pck","secret_server_key":"ssk"}`)
}
