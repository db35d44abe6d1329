package trace

import (
	"fmt"
	"io"
	"strings"
)

// Mermaid writes records as a sequence diagram: the messages between actors, in order, and the states of the instance. It has no
// times in it: the diagrams of two runs that went the same way are the same.
func (r *Run) Mermaid(out io.Writer, records []*Record) error {
	d := diagram{run: r, ids: map[string]string{}}
	for _, rec := range records {
		d.record(rec)
	}
	_, err := io.WriteString(out, "sequenceDiagram\n"+d.participants.String()+d.lines.String())
	return err
}

// Mermaid writes a start as a sequence diagram.
func (s *Start) Mermaid(out io.Writer, f Filter) error {
	return s.run.Mermaid(out, f.Select(s.Records))
}

type diagram struct {
	run                 *Run
	ids                 map[string]string // by the actor's path
	participants, lines strings.Builder
}

func (d *diagram) record(rec *Record) {
	if arrow := d.arrow(rec); arrow != "" {
		d.lines.WriteString("    " + arrow + "\n")
	}
	if rec.isEmulator() && rec.Next != "" {
		fmt.Fprintf(&d.lines, "    Note over %s: %s\n", d.id(rec.To, rec), rec.Next)
	}
}

// arrow is the line of one record; empty for what is no message between actors.
func (d *diagram) arrow(rec *Record) string {
	text := escapeMermaid(rec.Type + withCause(rec))
	switch {
	case rec.Kind == kindFailure:
		return fmt.Sprintf("%s-x%s: failed%s", d.id(rec.From, rec), d.id(rec.To, rec), escapeMermaid(": "+firstLine(rec.Failure)))
	case rec.Kind == kindDeadLetter && rec.From != "":
		return fmt.Sprintf("Note over %s: %s reached nobody", d.id(rec.From, rec), text)
	case rec.Kind != "":
		return ""
	case rec.Type == "Started" && strings.Count(rec.To, "/") == 2:
		by := rec.To[:strings.LastIndexByte(rec.To, '/')]
		return fmt.Sprintf("%s-)%s: spawn", d.id(by, rec), d.id(rec.To, rec))
	case d.run.noise(rec) && rec.Type != "InstanceEnded", rec.Type == "Notice", rec.Type == "ServiceChanged" && !rec.flag("healthy"):
		return ""
	case rec.From == "":
		return ""
	case rec.Off == offWork && rec.isEmulator():
		return fmt.Sprintf("%[1]s->>%[1]s: %s (work)", d.id(rec.To, rec), text)
	case rec.Off == offTimer && rec.isEmulator():
		return fmt.Sprintf("%[1]s->>%[1]s: %s (timer)", d.id(rec.To, rec), text)
	case rec.Off != "":
		return "" // what an actor says to itself
	}
	return fmt.Sprintf("%s->>%s: %s", d.id(rec.From, rec), d.id(rec.To, rec), text)
}

func withCause(rec *Record) string {
	if rec.Type == "ServiceChanged" {
		return " " + rec.body("service")
	}
	if cause := rec.body("cause"); cause != "" {
		return ": " + firstLine(cause)
	}
	return ""
}

// id is the name of an actor in the diagram, which shows it from its first message on.
func (d *diagram) id(actor string, rec *Record) string {
	if id := d.ids[actor]; id != "" {
		return id
	}
	name := strings.TrimPrefix(short(actor), "_")
	if actor == "fleet/"+rec.Instance {
		name = "emulator"
	}
	id := strings.NewReplacer("-", "", ".", "_").Replace(name)
	d.ids[actor] = id
	fmt.Fprintf(&d.participants, "    participant %s as %s\n", id, name)
	return id
}

// escapeMermaid keeps a text from being read as the diagram's own signs.
func escapeMermaid(text string) string {
	return strings.NewReplacer("#", "#35;", ";", "#59;").Replace(text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// Between is the records from the n-th time (1 is the first) that an instance enters a state until it then enters another one,
// both changes included. An empty from is the beginning, an empty until the end.
func (r *Run) Between(from string, n int, until string) (part []*Record) {
	inside := from == ""
	for _, rec := range r.Records {
		enters := ""
		if rec.isEmulator() && rec.Kind == "" {
			enters = rec.Next
		}
		if !inside && enters == from && enters != "" {
			n--
			if inside = n <= 0; inside {
				part = append(part, rec)
			}
			continue
		}
		if !inside {
			continue
		}
		part = append(part, rec)
		if enters == until && enters != "" {
			break
		}
	}
	return part
}
