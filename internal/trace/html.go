package trace

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"time"
)

// The page is three files that a browser takes as they are: nothing builds them.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

// pageRecord is a record as the page's script reads it. Times are in microseconds since the beginning.
type pageRecord struct {
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

type pageState struct {
	Name string `json:"name"`
	From int64  `json:"from_us"`
	To   int64  `json:"to_us"`
}

type pageData struct {
	Took     int64         `json:"took_us"`
	Lanes    []string      `json:"lanes"`
	States   []pageState   `json:"states"`
	Critical []uint64      `json:"critical"` // the numbers of the chain
	Records  []*pageRecord `json:"records"`
}

// HTML writes a start as one page that needs nothing else: no file, no network.
func HTML(out io.Writer, s *Start) error {
	data, err := json.Marshal(s.page()) // which escapes < and >, so that no text can end the script
	if err != nil {
		return err
	}
	var words strings.Builder
	if err := Explain(&words, s); err != nil {
		return err
	}
	title := fmt.Sprintf("stackemu trace: %s, %s", s.Instance, s.Began.Format("2006-01-02 15:04:05"))
	_, err = strings.NewReplacer(
		"{{.Title}}", html.EscapeString(title),
		"{{.Words}}", html.EscapeString(words.String()),
		"{{.Style}}", pageCSS,
		"{{.Script}}", pageJS,
		"{{.Data}}", string(data),
	).WriteString(out, pageHTML)
	return err
}

func (s *Start) page() *pageData {
	since := func(t time.Time) int64 { return t.Sub(s.Began).Microseconds() }
	d := &pageData{Took: s.Took().Microseconds(), Lanes: []string{}, States: []pageState{}, Critical: []uint64{}, Records: []*pageRecord{}}
	for _, r := range s.Records {
		p := &pageRecord{Seq: r.Seq, Kind: r.Kind, Lane: r.lane(), From: r.From, To: r.To, Type: r.Type, Detail: r.Detail, State: r.State, Next: r.Next,
			Off: r.Off, Attempt: r.Attempt, Time: r.Time.Format(time.RFC3339Nano), Begins: since(r.begins()), At: since(r.Time), Took: r.TookUS,
			Wait: r.WaitUS, OffTook: r.OffUS, Noise: s.run.noise(r), Body: r.Body, Failure: r.Failure, Stack: r.Stack}
		if r.Kind == kindExternal {
			p.Type = r.To + ": " + r.Type
			p.Begins = p.At
		} else if r.Duration() <= r.Took() {
			p.Begins = p.At
		}
		if cause := s.run.cause(r); cause != nil {
			p.Cause = cause.Seq
		}
		if !slices.Contains(d.Lanes, p.Lane) {
			d.Lanes = append(d.Lanes, p.Lane)
		}
		d.Records = append(d.Records, p)
	}
	slices.SortStableFunc(d.Lanes, func(a, b string) int { return laneRank(a) - laneRank(b) })
	for n, step := range s.Steps {
		end := s.Ended
		if n+1 < len(s.Steps) {
			end = s.Steps[n+1].Time
		}
		d.States = append(d.States, pageState{step.Next, since(step.Time), since(end)})
	}
	for rec := s.last(); rec != nil && !rec.Time.Before(s.Began); rec = s.run.cause(rec) {
		d.Critical = append(d.Critical, rec.Seq)
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
