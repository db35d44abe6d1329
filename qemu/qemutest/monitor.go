package qemutest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// broadcast sends events to whoever is connected, as QEMU does: who is not there misses them.
type broadcast struct {
	mu     sync.Mutex
	client func(line string) // nil: nobody
	first  sync.Once         // somebody has been there
}

func newBroadcast() *broadcast { return &broadcast{} }

// listen makes f the receiver of events.
func (b *broadcast) listen(f func(line string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.client = f
}

// send sends one event.
func (b *broadcast) send(name string, data map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil {
		b.client(eventLine(name, data))
	}
}

// eventLine returns an event as QEMU writes it.
func eventLine(name string, data map[string]any) string {
	now := time.Now()
	line, err := json.Marshal(map[string]any{
		"timestamp": map[string]int64{"seconds": now.Unix(), "microseconds": int64(now.Nanosecond() / 1000)},
		"event":     name,
		"data":      data,
	})
	if err != nil {
		panic(err) // a test's data is no JSON
	}
	return string(line) + "\r\n"
}

// Serve plays QMP on a connection until it ends. run is called for every command that has an effect on a machine:
// system_powerdown, quit, cont, stop; it may be nil.
func (m Monitor) Serve(c net.Conn, run func(command string)) {
	m.serve(c, newBroadcast(), Script{}, run)
}

// serveMonitor plays QMP for the machine.
func (m *machine) serveMonitor(c net.Conn) {
	m.script.Monitor.serve(c, m.events, m.script, m.command)
}

// command does what a command does to the machine.
func (m *machine) command(name string) {
	mon := m.script.Monitor
	switch {
	case name == "quit" && !mon.IgnoreQuit:
		m.shutdown(false, "host-qmp-quit")
	case name == "system_powerdown":
		m.events.send("POWERDOWN", nil)
		if !mon.IgnorePowerdown {
			time.AfterFunc(mon.PowerdownTakes, func() { m.shutdown(true, "guest-shutdown") })
		}
	}
}

// serve is the conversation with one client.
func (m Monitor) serve(c net.Conn, events *broadcast, s Script, run func(string)) {
	if m.Mute {
		_, _ = bufio.NewReader(c).ReadString(0) // until the client has enough
		return
	}
	var mu sync.Mutex
	write := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = c.Write([]byte(text)) // a client that is gone shows in the reading
	}
	defer events.listen(nil)
	write(`{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": "fake"}, "capabilities": ["oob"]}}` + "\r\n")
	decoder := json.NewDecoder(c)
	for {
		var request struct {
			Execute string          `json:"execute"`
			ID      json.RawMessage `json:"id"`
		}
		if decoder.Decode(&request) != nil {
			return
		}
		time.Sleep(m.Delay)
		write(m.reply(request.Execute, request.ID, usual(s)) + m.flood())
		if request.Execute == "qmp_capabilities" {
			events.listen(write)
			events.first.Do(func() { m.schedule(events) })
		} else if run != nil {
			run(request.Execute)
		}
	}
}

// schedule sends the script's events in their time.
func (m Monitor) schedule(events *broadcast) {
	for _, e := range m.Events {
		time.AfterFunc(e.After, func() { events.send(e.Name, e.Data) })
	}
}

// reply returns the answer to a command.
func (m Monitor) reply(name string, id json.RawMessage, usual map[string]any) string {
	answer := map[string]any{}
	if id != nil {
		answer["id"] = id
	}
	if refusal, ok := m.Errors[name]; ok {
		answer["error"] = refusal
	} else if result, ok := m.Replies[name]; ok {
		answer["return"] = result
	} else if result, ok := usual[name]; ok {
		answer["return"] = result
	} else {
		answer["error"] = qmp.Error{Class: "CommandNotFound", Desc: fmt.Sprintf("The command %s has not been found", name)}
	}
	line, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	return string(line) + "\r\n"
}

// flood returns the events behind an answer.
func (m Monitor) flood() string {
	if m.Flood == 0 {
		return ""
	}
	var b strings.Builder
	for i := range m.Flood {
		b.WriteString(eventLine("FLOOD", map[string]any{"number": i, "pad": strings.Repeat("x", 200)}))
	}
	return b.String()
}

// usual returns the answers where the script has no other.
func usual(s Script) map[string]any {
	none := map[string]any{}
	name := func(key string, values ...string) (list []map[string]any) {
		for _, v := range values {
			list = append(list, map[string]any{key: v})
		}
		return list
	}
	return map[string]any{
		"qmp_capabilities": none, "system_powerdown": none, "quit": none, "cont": none, "stop": none,
		"query-status": map[string]any{"running": true, "status": "running"},
		"query-chardev": []map[string]any{
			{"label": "monitor", "frontend-open": true},
			{"label": qemu.AgentChardev, "frontend-open": s.Agent != nil && time.Since(began) >= s.Agent.After},
		},
		"query-migrate-capabilities": name("capability", "x-ignore-shared", "mapped-ram", "multifd"),
		"query-machines":             name("name", "none", "pc-q35-9.0", "pc-q35-10.0", "virt-9.0", "virt-10.0"),
		"qom-list-types":             name("name", "vmgenid", "virtio-9p-pci", "virtio-rng-pci"),
	}
}
