package trace

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// The timeline as a page has it: a program, how it looks, and the elements that it needs. A browser takes them as they are.
var (
	//go:embed page/timeline.js
	TimelineScript string
	//go:embed page/timeline.css
	TimelineStyle string
	//go:embed page/tools.html
	TimelineTools string
	//go:embed page/stage.html
	TimelineStage string
)

// Timeline is a start as [TimelineScript] draws it. Times are in microseconds since its beginning.
type Timeline struct {
	Fresh    bool              `json:"fresh,omitempty"` // what was told before is of another start
	Began    time.Time         `json:"began"`
	Took     int64             `json:"took_us"`
	Lanes    []string          `json:"lanes"`
	States   []timelineState   `json:"states"`
	Critical []uint64          `json:"critical"` // the numbers of the chain
	Records  []*timelineRecord `json:"records"`
}

type timelineState struct {
	Name string `json:"name"`
	From int64  `json:"from_us"`
	To   int64  `json:"to_us"`
}

type timelineRecord struct {
	Seq     uint64          `json:"seq"`
	Cause   uint64          `json:"cause,omitempty"`
	Kind    string          `json:"kind,omitempty"`
	Lane    string          `json:"lane"`
	From    string          `json:"from,omitempty"`
	To      string          `json:"to,omitempty"`
	Type    string          `json:"type"`
	Detail  string          `json:"detail,omitempty"`
	State   string          `json:"state,omitempty"`
	Next    string          `json:"next,omitempty"`
	Off     string          `json:"off,omitempty"`
	Attempt string          `json:"attempt,omitempty"`
	Time    string          `json:"time"`
	Begins  int64           `json:"from_us"`
	At      int64           `json:"at_us"`
	Took    int64           `json:"took_us"`
	Wait    int64           `json:"wait_us"`
	OffTook int64           `json:"off_us,omitempty"`
	Noise   bool            `json:"noise,omitempty"`
	Body    json.RawMessage `json:"body,omitempty"`
	Failure string          `json:"failure,omitempty"`
	Stack   string          `json:"stack,omitempty"`
}

// timeline is the start with some records, of it and of what has come after it.
func (s *Start) timeline(records []*Record) *Timeline {
	t := &Timeline{Began: s.Began, Took: s.Took().Microseconds(), Lanes: []string{}, States: []timelineState{}, Critical: []uint64{}, Records: []*timelineRecord{}}
	for _, r := range records {
		t.Records = append(t.Records, s.drawn(r))
		if lane := r.lane(); !slices.Contains(t.Lanes, lane) {
			t.Lanes = append(t.Lanes, lane)
		}
		if r.isEmulator() && r.Kind == "" && r.Next != "" {
			at := s.since(r.Time)
			if n := len(t.States); n > 0 {
				t.States[n-1].To = at
			}
			t.States = append(t.States, timelineState{r.Next, at, max(at, t.Took)})
		}
	}
	if n := len(t.States); n > 0 && len(records) > 0 {
		t.States[n-1].To = max(t.States[n-1].To, s.since(records[len(records)-1].ends()))
	}
	slices.SortStableFunc(t.Lanes, func(a, b string) int { return laneRank(a) - laneRank(b) })
	for rec := s.last(); rec != nil && rec.Seq >= s.Steps[0].Seq; rec = s.run.cause(rec) {
		t.Critical = append(t.Critical, rec.Seq)
	}
	return t
}

func (s *Start) since(t time.Time) int64 { return t.Sub(s.Began).Microseconds() }

func (s *Start) drawn(r *Record) *timelineRecord {
	d := &timelineRecord{Seq: r.Seq, Kind: r.Kind, Lane: r.lane(), From: r.From, To: r.To, Type: r.Type, Detail: r.Detail, State: r.State, Next: r.Next,
		Off: r.Off, Attempt: r.Attempt, Time: r.Time.Format(time.RFC3339Nano), Begins: s.since(r.begins()), At: s.since(r.Time), Took: r.TookUS,
		Wait: r.WaitUS, OffTook: r.OffUS, Noise: s.run.noise(r), Body: r.Body, Failure: r.Failure, Stack: r.Stack}
	if r.Kind == kindExternal {
		d.Type = r.To + ": " + r.Type
		d.Begins = d.At
	} else if r.Duration() <= r.Took() {
		d.Begins = d.At
	}
	if cause := s.run.cause(r); cause != nil {
		d.Cause = cause.Seq
	}
	return d
}

// laneRank puts the instance first, then the actors around its machines, and those that serve all instances last.
func laneRank(lane string) int {
	switch depth := strings.Count(lane, "/"); {
	case strings.HasPrefix(short(lane), "_"):
		return 3
	case depth == 0:
		return 4
	default:
		return depth
	}
}
