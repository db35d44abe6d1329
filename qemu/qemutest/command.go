package qemutest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// command is what a QMP command does. It returns its result, or a refusal, and what happens after the answer, if anything
// does.
type command func(m *machine, args json.RawMessage) (result any, after func(), refusal *qmp.Error)

// none is the result of a command that has nothing to tell.
var none = map[string]any{}

// commands are the commands that the fake has. (A function, for query-commands lists them.)
func commands() map[string]command {
	return map[string]command{
		"qmp_capabilities": always(none),
		"query-commands":   queryCommands,
		"query-machines":   always(named("name", "none", "pc-q35-9.0", "pc-q35-10.0", "virt-9.0", "virt-10.0")),
		"qom-list-types":   always(named("name", "vmgenid", "virtio-9p-pci", "virtio-rng-pci")),
		"query-chardev":    queryChardev,

		"query-status":     queryStatus,
		"stop":             stop,
		"cont":             cont,
		"quit":             quit,
		"system_powerdown": powerdown,

		"query-migrate-capabilities": always(named("capability", migrationCapabilities...)),
		"migrate-set-capabilities":   setCapabilities,
		"migrate-set-parameters":     always(none),
		"query-migrate":              queryMigrate,
		"migrate":                    migrate,
		"migrate-incoming":           migrateIncoming,
		"migrate_cancel":             always(none),
		"xen-save-devices-state":     saveDevices,

		"human-monitor-command": humanMonitor,
		"device_add":            deviceAdd,
		"device_del":            deviceDel,
	}
}

// run runs a command.
func (m *machine) run(r request) (any, func(), *qmp.Error) {
	c, ok := commands()[r.Execute]
	if !ok {
		return nil, nil, &qmp.Error{Class: "CommandNotFound", Desc: fmt.Sprintf("The command %s has not been found", r.Execute)}
	}
	return c(m, r.Arguments)
}

// always is a command with one answer.
func always(result any) command {
	return func(*machine, json.RawMessage) (any, func(), *qmp.Error) { return result, nil, nil }
}

// named returns a list of objects with one name each.
func named(key string, values ...string) (list []map[string]any) {
	for _, v := range values {
		list = append(list, map[string]any{key: v})
	}
	return list
}

// refuse is the answer of a command that fails.
func refuse(format string, args ...any) (any, func(), *qmp.Error) {
	return nil, nil, &qmp.Error{Class: "GenericError", Desc: fmt.Sprintf(format, args...)}
}

// decode reads a command's arguments, and refuses what is no JSON for them.
func decode(args json.RawMessage, into any) *qmp.Error {
	if len(args) == 0 {
		return nil
	}
	if err := json.Unmarshal(args, into); err != nil {
		return &qmp.Error{Class: "GenericError", Desc: err.Error()}
	}
	return nil
}

func queryCommands(*machine, json.RawMessage) (any, func(), *qmp.Error) {
	return named("name", slices.Sorted(maps.Keys(commands()))...), nil, nil
}

func queryChardev(m *machine, _ json.RawMessage) (any, func(), *qmp.Error) {
	open := false
	select {
	case <-m.agentOpen:
		open = true
	default:
	}
	return []map[string]any{
		{"label": "monitor", "frontend-open": true},
		{"label": qemu.AgentChardev, "frontend-open": open},
		{"label": qemu.ToolsChardev, "frontend-open": m.script.Guest != nil && m.script.Guest.Tools != Absent},
	}, nil, nil
}
