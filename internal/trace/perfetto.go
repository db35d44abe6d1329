package trace

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
)

// event is one of Chrome's trace events, the JSON that ui.perfetto.dev and chrome://tracing open. Times are in microseconds.
type event struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	Cat   string         `json:"cat,omitempty"`
	TS    int64          `json:"ts"`
	Dur   int64          `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	ID    string         `json:"id,omitempty"`
	Bind  string         `json:"bp,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// Perfetto writes records as Chrome trace events: a track for each actor, with the messages that it has handled; beside it, work
// off its mailbox and waits for the outside; and an arrow from each message to what it led to.
func (r *Run) Perfetto(out io.Writer, records []*Record) error {
	p := perfetto{run: r, tracks: map[string]int{}, shown: map[*Record]bool{}}
	for _, rec := range records {
		p.shown[rec] = true
	}
	ordered := slices.Clone(records)
	slices.SortStableFunc(ordered, func(a, b *Record) int { return a.begins().Compare(b.begins()) })
	for _, rec := range ordered {
		p.record(rec)
	}
	return writeEvents(out, append(p.names, p.events...))
}

// writeEvents writes an event a line, for people who look at it with other tools.
func writeEvents(out io.Writer, events []event) error {
	b := bytes.NewBufferString(`{"displayTimeUnit":"ms","traceEvents":[`)
	for n, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString("\n]}\n")
	_, err := b.WriteTo(out)
	return err
}

// Perfetto writes a start as Chrome trace events.
func (s *Start) Perfetto(out io.Writer, f Filter) error {
	return s.run.Perfetto(out, f.Select(s.Records))
}

type perfetto struct {
	run           *Run
	tracks        map[string]int
	shown         map[*Record]bool
	names, events []event
}

const perfettoPID = 1

func (p *perfetto) track(name string) int {
	if p.tracks[name] == 0 {
		p.tracks[name] = len(p.tracks) + 1
		p.names = append(p.names, event{Name: "thread_name", Phase: "M", PID: perfettoPID, TID: p.tracks[name], Args: map[string]any{"name": name}})
	}
	return p.tracks[name]
}

func (p *perfetto) record(rec *Record) {
	tid, id := p.track(rec.lane()), strconv.FormatUint(rec.Seq, 10)
	if rec.Kind == kindExternal {
		p.async(rec, rec.To+": "+rec.Type, "external", tid)
		return
	}
	if (rec.Off == offWork || rec.Off == offTimer) && rec.OffUS > 0 {
		p.async(rec, rec.Type, rec.Off, tid)
	}
	at := rec.Time.UnixMicro()
	p.events = append(p.events, event{Name: rec.Type, Phase: "X", Cat: orMessage(rec.Kind), TS: at, Dur: max(rec.TookUS, 1), PID: perfettoPID, TID: tid, Args: args(rec)})
	if cause := p.run.cause(rec); cause != nil && p.shown[cause] && cause.lane() != rec.lane() && cause.Kind != kindExternal {
		p.events = append(p.events,
			event{Name: rec.Type, Phase: "s", Cat: "message", TS: cause.Time.UnixMicro(), PID: perfettoPID, TID: p.track(cause.lane()), ID: id},
			event{Name: rec.Type, Phase: "f", Cat: "message", TS: at, PID: perfettoPID, TID: tid, ID: id, Bind: "e"})
	}
	if rec.isEmulator() && rec.Next != "" {
		p.events = append(p.events, event{Name: rec.Next, Phase: "i", Cat: "state", TS: at, PID: perfettoPID, TID: tid})
	}
}

// async is a stretch of time that may overlap others of the same actor.
func (p *perfetto) async(rec *Record, name, cat string, tid int) {
	e := event{Name: name, Cat: cat, PID: perfettoPID, TID: tid, ID: strconv.FormatUint(rec.Seq, 10)}
	begin, end := e, e
	begin.Phase, begin.TS, begin.Args = "b", rec.begins().UnixMicro(), args(rec)
	end.Phase, end.TS = "e", rec.begins().UnixMicro()+rec.OffUS
	if rec.Kind == kindExternal {
		end.TS = rec.Time.UnixMicro() + rec.TookUS
	}
	p.events = append(p.events, begin, end)
}

func orMessage(kind string) string {
	if kind == "" {
		return "message"
	}
	return kind
}

func args(rec *Record) map[string]any {
	all := map[string]any{"seq": rec.Seq, "wait_us": rec.WaitUS}
	for key, value := range map[string]string{"from": rec.From, "attempt": rec.Attempt, "state": rec.State, "next": rec.Next, "detail": rec.Detail, "failure": rec.Failure} {
		if value != "" {
			all[key] = value
		}
	}
	if rec.Parent != 0 {
		all["parent"] = rec.Parent
	}
	if len(rec.Body) > 2 {
		all["body"] = rec.Body
	}
	return all
}
