package qemutest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// migrationCapabilities are those that the fake has.
var migrationCapabilities = []string{"events", "x-ignore-shared", "mapped-ram", "multifd"}

// The first lines of the files that the fake saves: a load accepts its own kind only.
const (
	lazyState    = "fake state without shared RAM\n"
	mappedState  = "fake state with mapped RAM\n"
	fullState    = "fake state with RAM\n"
	devicesState = "fake state of devices\n"
)

func setCapabilities(m *machine, args json.RawMessage) (any, func(), *qmp.Error) {
	var a struct {
		Capabilities []struct {
			Capability string
			State      bool
		}
	}
	if err := decode(args, &a); err != nil {
		return nil, nil, err
	}
	for _, c := range a.Capabilities {
		if !slices.Contains(migrationCapabilities, c.Capability) {
			return refuse("Parameter 'capability' does not accept value '%s'", c.Capability)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range a.Capabilities {
		m.capabilities[c.Capability] = c.State
	}
	return none, nil, nil
}

// kind returns the kind of state that is saved, or loaded.
func (m *machine) kind() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case slices.Contains(m.args, "migration.send-configuration=off") && has(m.args, "-incoming", ""):
		return devicesState
	case m.capabilities["x-ignore-shared"]:
		return lazyState
	case m.capabilities["mapped-ram"] && m.capabilities["multifd"]:
		return mappedState
	}
	return fullState
}

// hasRAM tells whether a state brings the guest's RAM with it.
func hasRAM(state []byte) bool {
	return bytes.HasPrefix(state, []byte(mappedState)) || bytes.HasPrefix(state, []byte(fullState))
}

// migrationFile is the argument of migrate and migrate-incoming.
type migrationFile struct {
	URI         string
	ExitOnError *bool `json:"exit-on-error"`
	Channels    []struct {
		Addr struct{ Transport, Filename string }
	}
}

func (f migrationFile) path() string {
	if len(f.Channels) > 0 {
		return f.Channels[0].Addr.Filename
	}
	return strings.TrimPrefix(f.URI, "file:")
}

// migrating notes the state of a migration, and sends its event. ram is how much of the guest's is left, in percent.
func (m *machine) migrating(status string, ram int, more map[string]any) {
	total := int64(m.ramSize)
	info := map[string]any{"status": status, "ram": map[string]int64{"total": total, "remaining": total / 100 * int64(ram)}}
	for k, v := range more {
		info[k] = v
	}
	m.mu.Lock()
	m.migration = info
	silent := m.script.Monitor.Migration.NoEvents || !m.capabilities["events"]
	m.mu.Unlock()
	if !silent {
		m.events.send("MIGRATION", map[string]any{"status": status})
	}
}

func queryMigrate(m *machine, _ json.RawMessage) (any, func(), *qmp.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.migration, nil, nil
}

// migrate saves the machine, in the order of events that QEMU 10.0 has.
func migrate(m *machine, args json.RawMessage) (any, func(), *qmp.Error) {
	var a migrationFile
	if err := decode(args, &a); err != nil {
		return nil, nil, err
	}
	if m.runState() == statePostmigrate {
		return refuse("Can't migrate the vm that was paused due to previous migration")
	}
	if id := m.plugged(); id != "" {
		return refuse("Migration is disabled when VirtFS export path is mounted in the guest using mount_tag (device %s)", id)
	}
	m.migrating("setup", 100, nil)
	if err := m.writeState(a.path(), m.kind()); err != nil {
		desc := fmt.Sprintf("Could not create '%s': %s", a.path(), reason(err))
		m.migrating("failed", 100, map[string]any{"error-desc": desc})
		return refuse("%s", desc)
	}
	return none, func() {
		m.migrating("active", 90, nil)
		time.AfterFunc(m.script.Monitor.Migration.Takes, m.saved)
	}, nil
}

// saved is the end of a save.
func (m *machine) saved() {
	if desc := m.script.Monitor.Migration.SaveError; desc != "" {
		m.migrating("failed", 10, map[string]any{"error-desc": desc})
		return
	}
	m.migrating("device", 0, nil)
	m.setState(stateFinishing)
	m.migrating("completed", 0, nil)
	time.AfterFunc(finalizing, func() { m.setState(statePostmigrate) })
}

// finalizing is how long a save that is completed keeps the guest from going on.
const finalizing = 5 * time.Millisecond

// saveDevices saves the devices alone. Unlike a migration it works beside a mount.
func saveDevices(m *machine, args json.RawMessage) (any, func(), *qmp.Error) {
	var a struct{ Filename string }
	if err := decode(args, &a); err != nil {
		return nil, nil, err
	}
	if desc := m.script.Monitor.Migration.SaveError; desc != "" {
		return refuse("%s", desc)
	}
	if err := m.writeState(a.Filename, devicesState); err != nil {
		return refuse("Could not create '%s': %s", a.Filename, reason(err))
	}
	return none, nil, nil
}

// writeState writes a file of a kind.
func (m *machine) writeState(path, kind string) error {
	guest, err := m.saveGuest()
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte(kind), guest...), 0o600)
}

// stayOnErrorSince is the QEMU that can be told not to end when a load fails.
var stayOnErrorSince = qemu.Version{Major: 9, Minor: 1}

// migrateIncoming loads a state.
func migrateIncoming(m *machine, args json.RawMessage) (any, func(), *qmp.Error) {
	var a migrationFile
	if err := decode(args, &a); err != nil {
		return nil, nil, err
	}
	if a.ExitOnError != nil && m.script.version().Less(stayOnErrorSince) {
		return refuse("Parameter 'exit-on-error' is unexpected")
	}
	if m.runState() != stateIncoming {
		return refuse("'-incoming' was not specified on the command line")
	}
	m.migrating("setup", 100, nil)
	data, err := os.ReadFile(a.path())
	if err != nil {
		return refuse("Could not open '%s': %s", a.path(), reason(err))
	}
	return none, func() {
		m.migrating("active", 100, nil)
		stays := a.ExitOnError != nil && !*a.ExitOnError
		time.AfterFunc(m.script.Monitor.Migration.Takes, func() { m.loaded(data, stays) })
	}, nil
}

// loaded is the end of a load.
func (m *machine) loaded(data []byte, stays bool) {
	script := m.script.Monitor.Migration
	desc := script.LoadError
	if desc == "" && !bytes.HasPrefix(data, []byte(m.kind())) {
		desc = "load of migration failed: Invalid argument"
	}
	if desc == "" {
		if err := m.loadGuest(data); err != nil {
			desc = "load of migration failed: " + err.Error()
		}
	}
	switch {
	case script.LoadHangs:
	case script.LoadDies != nil:
		m.finish(script.LoadDies.die)
	case desc != "":
		m.migrating("failed", 100, map[string]any{"error-desc": desc})
		if !stays {
			m.finish((&Exit{Code: 1, Stderr: "qemu-system-fake: " + desc}).die)
		}
	default:
		m.setState(statePaused)
		m.migrating("completed", 0, nil)
		m.mu.Lock()
		start := m.autostart
		m.mu.Unlock()
		if start {
			m.setState(stateRunning)
			m.events.send("RESUME", nil)
		}
	}
}

// reason is an error as strerror has it.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		s := errno.Error()
		return strings.ToUpper(s[:1]) + s[1:]
	}
	return err.Error()
}
