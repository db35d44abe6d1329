// Package tracetest turns a message log into a text that does not change from run to run, so that tests can compare the
// story of a start with a golden one.
//
// What stays is what an actor received, from whom, in which state, and which state followed. What goes is time, and the
// order of messages within one state: they come from different actors, which are free to overtake each other.
package tracetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Entry is what is read of one record of a message log.
type Entry struct {
	Seq     uint64          `json:"seq"`
	From    string          `json:"from"`
	To      string          `json:"to"`
	Type    string          `json:"type"`
	State   string          `json:"state"`
	Next    string          `json:"next"`
	Attempt string          `json:"attempt"`
	Failure string          `json:"failure"`
	Body    json.RawMessage `json:"body"`
}

// Read reads a message log.
func Read(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("message log, line %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
	return entries, lines.Err()
}

// Story tells what the actor with the path to received, up to and including the message that brought it to the state
// until. News that a service is not healthy yet, and that somebody in the guest can be talked to, depend on timing, and are left out. The guest's agent may come up on either
// side of the end of a load: it is told after it.
func Story(entries []Entry, to, until string) string {
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return int(a.Seq) - int(b.Seq) })
	var story strings.Builder
	state, meanwhile, early := "", []string(nil), []string(nil)
	for _, e := range entries {
		if e.To != to || transient(e) {
			continue
		}
		if e.State != state {
			state = e.State
			fmt.Fprintf(&story, "%s\n", state)
			meanwhile, early = append(meanwhile, early...), nil
		}
		if state == "resuming" && strings.HasPrefix(e.Type, "Agent") {
			early = append(early, line(e))
			continue
		}
		if e.Next == "" {
			meanwhile = append(meanwhile, line(e))
			continue
		}
		slices.Sort(meanwhile)
		for _, m := range append(meanwhile, line(e)) {
			fmt.Fprintf(&story, "\t%s\n", m)
		}
		meanwhile = nil
		if e.Next == until {
			fmt.Fprintf(&story, "%s\n", until)
			break
		}
	}
	return story.String()
}

func transient(e Entry) bool {
	return e.Type == "ToolsPort" || e.Type == "AgentReady" || e.Type == "ServiceChanged" && strings.Contains(string(e.Body), `"healthy":false`)
}

func line(e Entry) string {
	text := e.Type
	if e.Type == "ServiceChanged" {
		var body struct{ Service string }
		if json.Unmarshal(e.Body, &body) == nil {
			text += " " + body.Service
		}
	}
	if e.From != "" {
		text = path.Base(e.From) + ": " + text
	}
	if e.Next != "" {
		text += " => " + e.Next
	}
	return text
}
