package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/digitalocean/go-qemu/qmp"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
)

// monitor owns the QMP channel of one machine. The socket listens before QEMU runs, so dialling needs no retries.
//
// Parent: an emulator. In: LoadState, OpenPorts, SaveState, AskMachine, ContinueGuest, PressPowerButton, QuitMachine. Out: the answers
// of these, MonitorReady, then what QMP's events tell (GuestShutdown, GuestReset,
// DiskFault, AgentPort, ToolsPort), and MonitorLost after the last of them. It fails when QEMU does not answer in
// time; its successor gets a connection of its own, and the guest notices nothing.
type monitor struct {
	life
	emulator Ref[messages.Emulator]
	dial     func(ctx context.Context, onEvent func(qmp.Event)) (MonitorConn, error)
	conn     MonitorConn // nil until negotiated

	agentPort *bool // the last news of the guest agent's port; nil before any
	toolsPort *bool // likewise of the tools'
}

const (
	negotiateTimeout = 10 * time.Second // a QEMU on a busy machine takes a second; a stopped one takes for ever
	commandTimeout   = 5 * time.Second  // QEMU's main loop answers in milliseconds
	loadTimeout      = 25 * time.Second // milliseconds for a lazy snapshot, seconds for a large one that is read whole
	saveTimeout      = 55 * time.Second // the same; each is a little less than what lifecycle grants the stage
)

// The stages of a start and of a stop that are the monitor's to carry out, as [messages.StageFailed] names them.
const (
	stageLoad      = "load"
	stageOpenPorts = "open-ports"
	stageSave      = "save"
)

type negotiated struct {
	conn         MonitorConn
	agent, tools bool
	err          error
}

// Close ends a channel that nobody is left to own.
func (n *negotiated) Close() error {
	if n.conn == nil {
		return nil
	}
	return n.conn.Close()
}

// staged is the end of a stage, with what the emulator is to be told.
type staged struct {
	answer messages.Emulator
	err    error
}

type happened struct{ event qmp.Event }

type hungUp struct{ err error }

type unresponsive struct{ err error }

func (a *monitor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.life = newLife()
		a.negotiate(c)
	case *negotiated:
		a.negotiated(c, m)
	case *happened:
		a.happened(c, m.event)
	case *hungUp:
		a.emulator.Tell(c, &messages.MonitorLost{Cause: messages.Cause{Err: m.err}})
	case *messages.LoadState:
		a.stage(c, stageLoad, loadTimeout, MonitorConn.Load, &messages.StateLoaded{})
	case *messages.OpenPorts:
		a.stage(c, stageOpenPorts, commandTimeout, MonitorConn.OpenPorts, &messages.PortsOpened{})
	case *messages.SaveState:
		a.stage(c, stageSave, saveTimeout, MonitorConn.Save, &messages.StateSaved{})
	case *staged:
		a.emulator.Tell(c, m.answer)
	case *messages.PressPowerButton:
		a.command(c, lifecycle.RungACPI, MonitorConn.Powerdown)
	case *messages.QuitMachine:
		a.command(c, lifecycle.RungQuit, MonitorConn.Quit)
	case *messages.AskMachine:
		a.ask(c)
	case *messages.ContinueGuest:
		a.proceed(c)
	case *unresponsive:
		fail(c, fmt.Errorf("monitor: %w", m.err))
	case *messages.RungRefused: // by our own command, from off the mailbox
		a.emulator.Tell(c, m)
	case *actor.Stopping:
		a.end()
		if a.conn != nil {
			_ = a.conn.Close()
		}
	}
}

func (a *monitor) negotiate(c actor.Context) {
	dial, post := a.dial, poster(c)
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, negotiateTimeout)
		defer cancel()
		conn, err := dial(ctx, func(e qmp.Event) { post(&happened{e}) })
		if err != nil {
			return &negotiated{err: err}
		}
		agent, tools, err := conn.Ports(ctx) // events only tell of changes
		if err != nil {
			_ = conn.Close()
			return &negotiated{err: err}
		}
		return &negotiated{conn: conn, agent: agent, tools: tools}
	})
}

func (a *monitor) happened(c actor.Context, event qmp.Event) {
	told := translate(event)
	if told == nil {
		return
	}
	switch port := told.(type) { // an answer that is still on its way is older, or says the same
	case *messages.AgentPort:
		a.agentPort = &port.Open
	case *messages.ToolsPort:
		a.toolsPort = &port.Open
	}
	a.emulator.Tell(c, told)
}

func (a *monitor) negotiated(c actor.Context, m *negotiated) {
	if m.err != nil {
		fail(c, fmt.Errorf("monitor: %w", m.err))
		return
	}
	a.conn = m.conn
	if a.agentPort == nil {
		a.agentPort = &m.agent
	}
	if a.toolsPort == nil {
		a.toolsPort = &m.tools
	}
	a.emulator.Tell(c, &messages.MonitorReady{Version: m.conn.Version(), Agent: *a.agentPort, Tools: *a.toolsPort})
	conn := m.conn
	a.await(c, func(ctx context.Context) any {
		select {
		case <-conn.Done(): // the reader has handed over its last event
			return &hungUp{conn.Err()}
		case <-ctx.Done():
			return nil
		}
	})
}

// ask sees whether QEMU's main loop still answers. A QEMU that does not is as good as dead, but its process does not end.
func (a *monitor) ask(c actor.Context) {
	conn := a.conn
	if conn == nil {
		return // negotiating asks the same
	}
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		state, err := conn.Status(ctx)
		switch {
		case err != nil:
			return &unresponsive{err}
		case state == pausedByDisk: // told to a predecessor, or to nobody
			return &staged{answer: &messages.DiskFault{Operation: "write", NoSpace: true}}
		}
		return nil
	})
}

// proceed has the write tried again that has found no room. A guest that is paused for another reason stays so.
func (a *monitor) proceed(c actor.Context) {
	conn := a.conn
	if conn == nil {
		return
	}
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		state, err := conn.Status(ctx)
		if err == nil && state == pausedByDisk {
			err = conn.Cont(ctx)
		}
		if err != nil {
			return &unresponsive{err}
		}
		return &staged{answer: &messages.GuestContinued{Running: state == "running"}}
	})
}

// stage carries out one stage of a start or stop, whose end is told either way.
func (a *monitor) stage(c actor.Context, name string, timeout time.Duration, run func(MonitorConn, context.Context) error, done messages.Emulator) {
	failed := func(err error) *staged {
		return &staged{&messages.StageFailed{Stage: name, Cause: messages.Cause{Err: fmt.Errorf("monitor: %w", err)}}, err}
	}
	conn := a.conn
	if conn == nil {
		a.emulator.Tell(c, failed(errNotConnected).answer)
		return
	}
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := run(conn, ctx); err != nil {
			return failed(err)
		}
		return &staged{answer: done}
	})
}

// command runs one rung of the shutdown ladder. That it was accepted is no news; the machine's end will be.
func (a *monitor) command(c actor.Context, rung lifecycle.Rung, run func(MonitorConn, context.Context) error) {
	refused := func(err error) *messages.RungRefused {
		return &messages.RungRefused{Rung: rung.String(), Cause: messages.Cause{Err: fmt.Errorf("monitor: %w", err)}}
	}
	conn := a.conn
	if conn == nil {
		a.emulator.Tell(c, refused(errNotConnected))
		return
	}
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		if err := run(conn, ctx); err != nil {
			return refused(err)
		}
		return nil
	})
}

// translate gives the emulator's word for a QMP event; nil for the many that mean nothing to it. The events' fields are
// described in QEMU's qapi/run-state.json, qapi/char.json and qapi/block-core.json.
func translate(e qmp.Event) messages.Emulator {
	text := func(key string) string { s, _ := e.Data[key].(string); return s }
	flag := func(key string) bool { b, _ := e.Data[key].(bool); return b }
	switch e.Event {
	case "SHUTDOWN":
		return &messages.GuestShutdown{ByGuest: flag("guest"), Reason: text("reason")}
	case "RESET":
		if flag("guest") { // not by us
			return &messages.GuestReset{Reason: text("reason")}
		}
	case "BLOCK_IO_ERROR":
		return &messages.DiskFault{Operation: text("operation"), NoSpace: flag("nospace")}
	case "VSERPORT_CHANGE":
		if text("id") == qemu.ToolsDevice {
			return &messages.ToolsPort{Open: flag("open")}
		}
		return &messages.AgentPort{Open: flag("open")}
	}
	return nil
}

func (m *negotiated) failure() error { return m.err }

func (m *happened) detail() string { return m.event.Event }

func (m *hungUp) failure() error { return m.err }

func (m *unresponsive) failure() error { return m.err }

func (m *staged) failure() error { return m.err }
