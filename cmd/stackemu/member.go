package main

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"runtime"
	"strconv"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qga"
)

// member is one instance that this process runs, as other processes see it: it is what is behind the instance's control.sock.
type member struct {
	name       string
	conf       config.Config
	files      home.Instance
	background bool
	served     func() // called when others can see it; may be nil

	feed  *control.Feed
	tree  *actors.Tree // set before there is a socket
	ended chan struct{}

	sessions sessions
	leases   leases

	mu     sync.Mutex
	server *control.Server // nil until the instance is held
	asked  map[string]chan *messages.GuestRan
	asks   int
}

func newMember(name string, conf config.Config) (*member, error) {
	files, err := conf.Folders().Instance(name)
	if err != nil {
		return nil, err
	}
	return &member{name: name, conf: conf, files: files, feed: control.NewFeed(name), ended: make(chan struct{}),
		asked: map[string]chan *messages.GuestRan{}}, nil
}

// serve opens the socket. The instance is held: a socket that is there was left by a supervisor that was killed.
func (m *member) serve() error {
	server, err := control.Serve(m.files.ControlSock, m, version)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.server = server
	m.mu.Unlock()
	if m.served != nil {
		m.served()
	}
	return nil
}

// hide closes the socket for who comes now; who is connected hears the rest. The instance is held until it has returned.
func (m *member) hide() error { return m.server.Hide() }

// close ends the conversations, too. No event comes any more.
func (m *member) close(ctx context.Context) error {
	m.mu.Lock()
	server := m.server
	m.mu.Unlock()
	if server == nil {
		return nil
	}
	return server.Close(ctx)
}

// observe passes on what happens to the instance, one thing at a time.
func (m *member) observe(o messages.Observer) {
	switch o := o.(type) {
	case *messages.GuestRan:
		m.answer(o)
		return
	case *messages.StateChanged:
		m.sessions.enter(o.To)
	case *messages.InstanceEnded:
		m.remember(o)
		defer close(m.ended)
	}
	if _, e, ok := eventOf(o); ok {
		m.feed.Publish(e)
	}
}

// remember writes down how the run has ended, for `status`. It is not there when this process never held the instance.
func (m *member) remember(o *messages.InstanceEnded) {
	m.mu.Lock()
	held := m.server != nil
	m.mu.Unlock()
	if !held {
		return
	}
	_, e, _ := eventOf(o)
	e.Seq = m.feed.Status().Seq + 1
	s := status.Apply(m.feed.Status(), e)
	s.Image = m.image()
	if text, err := json.Marshal(s); err == nil {
		_ = renameio.WriteFile(m.files.LastStatus, append(text, '\n'), 0o600) // it is missed by `status` only
	}
}

func (m *member) image() string { return m.conf.Folders().Image(m.conf.Arch).Disk }

// Status is the status by what has happened, and what the system tells of the VM.
func (m *member) Status(context.Context) status.Status {
	s := m.feed.Status()
	s.Image = m.image()
	s.Supervisor = &status.Supervisor{PID: os.Getpid(), Version: version, Background: m.background, Goroutines: runtime.NumGoroutine()}
	s.VM = runningVM(m.files)
	return s
}

// Actors are those of the whole process.
func (m *member) Actors() []status.Actor { return m.tree.Actors() }

// runningVM is the QEMU of an instance; nil if none runs.
func runningVM(files home.Instance) *status.VM {
	id, err := qemu.ReadPID(files.PID)
	if err != nil || !id.Alive() {
		return nil
	}
	return &status.VM{PID: id.PID, Memory: status.MemoryOf(id.PID)}
}

// Events are the instance's events: see [control.Feed.Events].
func (m *member) Events(ctx context.Context, after uint64) iter.Seq[status.Event] {
	return m.feed.Events(ctx, after)
}

// Logs are the files that `stackemu logs` shows.
func (m *member) Logs() map[string]string {
	paths := map[string]string{}
	for _, s := range logSources {
		paths[s.name] = s.path(m.files)
	}
	return paths
}

// Stop begins a stop.
func (m *member) Stop(kill bool) {
	m.leases.stop()
	m.tree.Tell(&messages.StopInstance{Instance: m.name, Kill: kill})
}

// Exec runs a program in the guest. It ends when ctx does; the program goes on.
func (m *member) Exec(ctx context.Context, r control.ExecRequest) (control.ExecResult, error) {
	id, answer := m.ask()
	defer m.forget(id)
	m.tree.Tell(&messages.RunInGuest{Instance: m.name, ID: id, Path: r.Path, Args: r.Args, Stdin: r.Stdin})
	select {
	case ran := <-answer:
		if err := ran.Cause.Err; err != nil {
			return control.ExecResult{}, execError(err)
		}
		return control.ExecResult{ExitCode: ran.ExitCode, Signal: ran.Signal, Stdout: ran.Stdout, Stderr: ran.Stderr, Truncated: ran.Truncated}, nil
	case <-m.ended:
		return control.ExecResult{}, execError(actors.ErrNotRunning)
	case <-ctx.Done():
		return control.ExecResult{}, context.Cause(ctx)
	}
}

func execError(err error) error {
	switch {
	case errors.Is(err, qga.ErrNoProgram):
		return &control.Error{Code: control.CodeNoProgram, Message: err.Error()}
	case errors.Is(err, actors.ErrNoAgent), errors.Is(err, actors.ErrNotRunning):
		return &control.Error{Code: control.CodeNoAgent, Message: err.Error(), Retryable: true, Hint: "wait until `stackemu status` says ready"}
	}
	return err
}

// ask makes room for an answer.
func (m *member) ask() (id string, answer <-chan *messages.GuestRan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asks++
	id = strconv.Itoa(m.asks)
	c := make(chan *messages.GuestRan, 1)
	m.asked[id] = c
	return id, c
}

func (m *member) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.asked, id)
}

func (m *member) answer(ran *messages.GuestRan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.asked[ran.ID]; c != nil {
		c <- ran // there is room for the one answer
		delete(m.asked, ran.ID)
	}
}
