package qemutest

import (
	"encoding/json"
	"os"
	"slices"
	"time"

	"github.com/stackemu/stackemu/qemu/qmp"
)

// Run states, as query-status names them.
const (
	stateRunning     = "running"
	statePaused      = "paused"
	statePrelaunch   = "prelaunch"      // -S
	stateIncoming    = "inmigrate"      // -incoming
	stateFinishing   = "finish-migrate" // in the last moments of a save
	statePostmigrate = "postmigrate"    // after it
	stateNoSpace     = "io-error"       // the disk is full
)

// initialState is the one that a command line asks for.
func initialState(args []string) string {
	switch {
	case has(args, "-incoming", ""):
		return stateIncoming
	case slices.Contains(args, "-S"):
		return statePrelaunch
	}
	return stateRunning
}

// setState changes the run state, and reports whether the guest ran before.
func (m *machine) setState(state string) (ran bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ran, m.state = m.state == stateRunning, state
	switch {
	case ran && state != stateRunning:
		m.runs = make(chan struct{})
	case !ran && state == stateRunning:
		close(m.runs)
	}
	return ran
}

// runState returns the run state.
func (m *machine) runState() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// running is closed while the guest runs: a paused guest answers nothing.
func (m *machine) running() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs
}

func queryStatus(m *machine, _ json.RawMessage) (any, func(), *qmp.Error) {
	state := m.runState()
	return map[string]any{"running": state == stateRunning, "status": state}, nil, nil
}

func stop(m *machine, _ json.RawMessage) (any, func(), *qmp.Error) {
	if m.runState() == stateRunning {
		m.setState(statePaused)
		m.events.send("STOP", nil)
	}
	return none, nil, nil
}

func cont(m *machine, _ json.RawMessage) (any, func(), *qmp.Error) {
	switch m.runState() {
	case stateIncoming:
		m.mu.Lock()
		m.autostart = true // once it is loaded
		m.mu.Unlock()
	case stateFinishing:
		return refuse("Migration is not finalized yet")
	case stateNoSpace:
		m.setState(stateRunning)
		m.events.send("RESUME", nil)
		m.writeDisk()
	case stateRunning:
	default:
		m.setState(stateRunning)
		m.events.send("RESUME", nil)
	}
	return none, nil, nil
}

// writeDisk is a write of the guest: without room QEMU pauses it.
func (m *machine) writeDisk() {
	if _, err := os.Stat(m.script.Guest.DiskFull); err != nil || m.runState() != stateRunning {
		return
	}
	m.setState(stateNoSpace)
	m.events.send("BLOCK_IO_ERROR", map[string]any{"device": "disk", "operation": "write", "action": "stop", "nospace": true, "reason": "No space left on device"})
	m.events.send("STOP", nil)
}

// writePause is how often a guest writes, where it matters.
const writePause = 20 * time.Millisecond

func (m *machine) keepWriting() {
	for range time.Tick(writePause) {
		m.writeDisk()
	}
}

func quit(m *machine, _ json.RawMessage) (any, func(), *qmp.Error) {
	if m.script.Monitor.IgnoreQuit {
		return none, nil, nil
	}
	return none, func() { m.shutdown(false, "host-qmp-quit") }, nil
}

func powerdown(m *machine, _ json.RawMessage) (any, func(), *qmp.Error) {
	return none, func() {
		m.events.send("POWERDOWN", nil)
		if !m.script.Monitor.IgnorePowerdown {
			time.AfterFunc(m.script.Monitor.PowerdownTakes, func() { m.shutdown(true, "guest-shutdown") })
		}
	}, nil
}

// shutdown ends the process as a machine that was switched off.
func (m *machine) shutdown(byGuest bool, reason string) {
	m.events.send("SHUTDOWN", map[string]any{"guest": byGuest, "reason": reason})
	m.finish(func() { os.Exit(0) })
}
