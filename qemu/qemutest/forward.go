package qemutest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/stackemu/stackemu/qemu/qmp"
)

var (
	forwardArg    = regexp.MustCompile(`hostfwd=tcp:(127\.0\.0\.1:\d+)-`)
	forwardAdd    = regexp.MustCompile(`^hostfwd_add net0 (tcp:(127\.0\.0\.1:\d+)-:\d+)$`)
	forwardRemove = regexp.MustCompile(`^hostfwd_remove net0 tcp:(127\.0\.0\.1:\d+)$`)
)

// startForwards opens the ports of the command line, which QEMU binds at once.
func (m *machine) startForwards() error {
	for _, match := range forwardArg.FindAllStringSubmatch(strings.Join(m.args, " "), -1) {
		if err := m.forward(match[1]); err != nil {
			return fmt.Errorf("could not set up host forwarding rule: %w", err)
		}
	}
	return nil
}

// forward listens on an address for the guest.
func (m *machine) forward(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.forwards[address] = l
	m.mu.Unlock()
	if m.script.HTTP != nil {
		go http.Serve(l, http.HandlerFunc(m.serveHTTP)) //nolint:errcheck // ends with the listener
	}
	return nil
}

// serveHTTP plays the guest's services. A paused guest answers when it goes on.
func (m *machine) serveHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-m.running():
	case <-r.Context().Done():
		return
	}
	h := m.script.HTTP
	if time.Since(began) < h.After && !m.resumed() {
		panic(http.ErrAbortHandler) // the guest has no such service yet: the connection is reset
	}
	if m.script.Guest != nil && r.URL.Path == ProjectPath {
		m.serveProject(w, r)
		return
	}
	status := h.Status
	if h.Resumed != 0 && m.resumed() {
		status = h.Resumed
	}
	if status != 0 {
		w.WriteHeader(status)
	}
	fmt.Fprint(w, h.Body)
}

// humanMonitor knows the commands about forwards. Like the real one it tells errors as text.
func humanMonitor(m *machine, args json.RawMessage) (any, func(), *qmp.Error) {
	var a struct {
		Line string `json:"command-line"`
	}
	if err := decode(args, &a); err != nil {
		return nil, nil, err
	}
	if add := forwardAdd.FindStringSubmatch(a.Line); add != nil {
		if m.forward(add[2]) != nil {
			return fmt.Sprintf("Could not set up host forwarding rule '%s'\r\n", add[1]), nil, nil
		}
		return "", nil, nil
	}
	if remove := forwardRemove.FindStringSubmatch(a.Line); remove != nil {
		return fmt.Sprintf("host forwarding rule for tcp:%s %s\r\n", remove[1], m.unforward(remove[1])), nil, nil
	}
	name, _, _ := strings.Cut(a.Line, " ")
	return fmt.Sprintf("unknown command: '%s'\r\n", name), nil, nil
}

// unforward stops listening, and says what came of it.
func (m *machine) unforward(address string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.forwards[address]
	if !ok {
		return "not found"
	}
	l.Close()
	delete(m.forwards, address)
	return "removed"
}
