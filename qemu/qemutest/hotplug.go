package qemutest

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/stackemu/stackemu/qemu/qmp"
)

func deviceAdd(m *machine, args json.RawMessage) (any, func(), *qmp.Error) {
	var a struct {
		ID, Bus, FSDev string
		Tag            string `json:"mount_tag"`
	}
	if err := decode(args, &a); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !has(m.args, "-device", "pcie-root-port,id="+a.Bus+","):
		return refuse("Bus '%s' not found", a.Bus)
	case m.devices[a.ID] != "":
		return refuse("Duplicate device ID '%s'", a.ID)
	case slices.Contains(slices.Collect(maps.Values(m.devices)), a.Bus):
		return refuse("PCI: slot 0 function 0 already occupied by virtio-9p-pci, new func virtio-9p-pci cannot be exposed to guest.")
	case !has(m.args, "-fsdev", "local,id="+a.FSDev+","):
		return refuse("9pfs device couldn't find fsdev with the id = %s", a.FSDev)
	case len(a.Tag) > qmp.MaxMountTag:
		return refuse("mount tag '%s' (%d bytes) is longer than maximum (%d bytes)", a.Tag, len(a.Tag), qmp.MaxMountTag)
	}
	m.devices[a.ID], m.tags[a.ID] = a.Bus, a.Tag
	return none, nil, nil
}

func deviceDel(m *machine, args json.RawMessage) (any, func(), *qmp.Error) {
	var a struct{ ID string }
	if err := decode(args, &a); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	script := m.script.Monitor.Unplug
	m.unplugs++
	switch {
	case m.devices[a.ID] == "":
		return nil, nil, &qmp.Error{Class: "DeviceNotFound", Desc: "Device '" + a.ID + "' not found"}
	case m.unplugs <= script.Forgotten:
		return none, nil, nil
	case script.Refused:
		return none, func() { m.events.send("DEVICE_UNPLUG_GUEST_ERROR", device(a.ID)) }, nil
	}
	return none, func() {
		m.mu.Lock()
		delete(m.devices, a.ID)
		delete(m.tags, a.ID)
		m.mu.Unlock()
		m.events.send("DEVICE_DELETED", map[string]any{"path": "/machine/peripheral/" + a.ID + "/virtio-backend"})
		m.events.send("DEVICE_DELETED", device(a.ID))
	}, nil
}

// device is the data of an event about one.
func device(id string) map[string]any {
	return map[string]any{"device": id, "path": "/machine/peripheral/" + id}
}

// plugged returns the id of a device that is plugged in, or "". The fake's guest has mounted it.
func (m *machine) plugged() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.devices {
		return id
	}
	return ""
}
