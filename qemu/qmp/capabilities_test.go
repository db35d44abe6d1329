package qmp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stackemu/stackemu/qemu/qmp"
)

// A QEMU that lacks the capabilities of one format can do the other, and says so about its own.
func TestQEMUWithOneFormat(t *testing.T) {
	lazy, mapped := []string{"x-ignore-shared"}, []string{"mapped-ram", "multifd"}
	for name, c := range map[string]struct {
		has  []string
		save func(q *qmp.Conn) error
		ok   bool
	}{
		"lazy alone":           {lazy, func(q *qmp.Conn) error { return q.SaveLazy(t.Context(), "f") }, true},
		"mapped-ram alone":     {mapped, func(q *qmp.Conn) error { return q.SaveMapped(t.Context(), "f", 2, nil) }, true},
		"not lazy":             {mapped, func(q *qmp.Conn) error { return q.SaveLazy(t.Context(), "f") }, false},
		"mapped-ram in part":   {mapped[:1], func(q *qmp.Conn) error { return q.SaveMapped(t.Context(), "f", 2, nil) }, false},
		"devices need neither": {nil, func(q *qmp.Conn) error { return q.LoadDevices(t.Context(), "f") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			q, p := connect(t, nil)
			go p.respond(capable(c.has))
			err := c.save(q)
			var refusal *qmp.Error
			if c.ok && err != nil || !c.ok && !errors.As(err, &refusal) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// capable answers like a paused machine that knows some capabilities only, and whose migrations succeed.
func capable(has []string) func(r request) string {
	return func(r request) string {
		switch r.Execute {
		case "query-migrate-capabilities":
			list := []map[string]any{{"capability": "events", "state": false}}
			for _, name := range has {
				list = append(list, map[string]any{"capability": name, "state": false})
			}
			text, _ := json.Marshal(list)
			return answerTo(r, string(text))
		case "migrate-set-capabilities":
			var a struct{ Capabilities []struct{ Capability string } }
			_ = json.Unmarshal(r.Arguments, &a)
			for _, c := range a.Capabilities {
				if c.Capability != "events" && !slices.Contains(has, c.Capability) {
					return fmt.Sprintf(`{"id": %q, "error": {"class": "GenericError", "desc": "Parameter 'capability' does not accept value '%s'"}}`+"\r\n", r.ID, c.Capability)
				}
			}
		}
		return paused(func() string { return `{"status": "completed"}` })(r)
	}
}
