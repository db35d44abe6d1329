package qemutest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

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

// Serve plays QMP on a connection, for a machine without a process, until either ends.
func (m Monitor) Serve(c net.Conn) {
	v, over := newMachine(Script{Monitor: m}, nil), make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-v.end:
			c.Close()
		case <-over:
		}
	}()
	v.serveMonitor(c)
}

// serveMonitor is the conversation with one client.
func (m *machine) serveMonitor(c net.Conn) {
	if m.script.Monitor.Mute {
		_, _ = bufio.NewReader(c).ReadString(0) // until the client has enough
		return
	}
	var mu sync.Mutex
	write := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = c.Write([]byte(text)) // a client that is gone shows in the reading
	}
	defer m.events.listen(nil)
	v := m.script.version()
	write(fmt.Sprintf(`{"QMP": {"version": {"qemu": {"micro": %d, "minor": %d, "major": %d}, "package": "fake"}, "capabilities": ["oob"]}}`+"\r\n",
		v.Micro, v.Minor, v.Major))
	for decoder := json.NewDecoder(c); ; {
		var r request
		if decoder.Decode(&r) != nil {
			return
		}
		time.Sleep(m.script.Monitor.Delay)
		answer, after := m.answer(r)
		write(answer + m.script.Monitor.flood())
		if r.Execute == "qmp_capabilities" {
			m.events.listen(write)
			m.events.first.Do(func() { m.script.Monitor.schedule(m.events) })
		}
		if after != nil {
			after()
		}
	}
}

// request is a command of the client.
type request struct {
	Execute   string          `json:"execute"`
	Arguments json.RawMessage `json:"arguments"`
	ID        json.RawMessage `json:"id"`
}

// answer runs a command, unless the script has an answer of its own, and returns the answer and what comes after it.
func (m *machine) answer(r request) (line string, after func()) {
	message := map[string]any{}
	if r.ID != nil {
		message["id"] = r.ID
	}
	mon := m.script.Monitor
	if refusal, ok := mon.Errors[r.Execute]; ok {
		message["error"] = refusal
	} else if result, ok := mon.Replies[r.Execute]; ok {
		message["return"] = result
	} else {
		var result any
		var refusal *qmp.Error
		result, after, refusal = m.run(r)
		if refusal != nil {
			message["error"] = refusal
		} else {
			message["return"] = result
		}
	}
	text, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return string(text) + "\r\n", after
}

// schedule sends the script's events in their time, and those of the same time in their order.
func (m Monitor) schedule(events *broadcast) {
	left := slices.Clone(m.Events)
	slices.SortStableFunc(left, func(a, b Event) int { return cmp.Compare(a.After, b.After) })
	start := time.Now()
	var next func()
	next = func() {
		if len(left) == 0 {
			return
		}
		e := left[0]
		left = left[1:]
		time.AfterFunc(time.Until(start.Add(e.After)), func() {
			events.send(e.Name, e.Data)
			next()
		})
	}
	next()
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
