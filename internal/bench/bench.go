package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/config"
)

// Options are what to measure.
type Options struct {
	Config    config.Config // of the user: where the image is, and what guests are like
	Program   string        // ours, to be run
	Env       []string      // for it; what the measures depend on is set anew
	Runs      int
	Cycles    int      // of a soak
	Only      []string // of [ParseOnly]
	Instances []int    // of [ParseInstances]
	// Progress is told what is being done, and what has come of it. It may be nil.
	Progress func(Event)
}

// Event is a step on the way to a report.
type Event struct {
	What   string // such as "b 2/5"
	Detail string // what that is; "" when it is over
	Result string // what was seen
	Err    error  // or what went wrong
}

// Run measures. When ctx is cancelled it cleans up and returns what there is so far, with the context's cause.
func Run(ctx context.Context, o Options) (report Report, err error) {
	l, host, err := open(ctx, o)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	return run(ctx, l, host, o)
}

// bencher is one run.
type bencher struct {
	lab      lab
	report   Report
	runs     int
	tell     func(Event)
	captured map[setup]error // of the captures that were tried
}

func run(ctx context.Context, l lab, host Host, o Options) (Report, error) {
	b := &bencher{lab: l, runs: o.Runs, tell: o.Progress, captured: map[setup]error{}}
	if b.tell == nil {
		b.tell = func(Event) {}
	}
	b.report = Report{Began: time.Now().UTC(), Runs: o.Runs, Host: host}
	for _, group := range measures(host.GuestRAM, o.Instances, o.Cycles) {
		group = slices.DeleteFunc(group, func(m measure) bool { return !slices.Contains(o.Only, m.key) })
		b.take(ctx, group)
	}
	b.report.Took = time.Since(b.report.Began).Seconds()
	b.report.summarize()
	return b.report, context.Cause(ctx)
}

// patience is how many failures end a measure. One can be an accident.
const patience = 2

// take takes a group of measures, by turns.
func (b *bencher) take(ctx context.Context, group []measure) {
	failures := make([][]error, len(group))
	firstRow := make([]int, len(group))
	for n, m := range group {
		firstRow[n] = len(b.report.Rows)
		b.report.Rows = append(b.report.Rows, m.rows...)
		if err := b.provide(ctx, m.needs); err != nil {
			failures[n] = slices.Repeat([]error{err}, patience)
		}
	}
	for round := range b.runs {
		for n, m := range group {
			if ctx.Err() != nil || len(failures[n]) >= patience || m.once && round > 0 {
				continue
			}
			if err := b.once(ctx, m, round); err != nil {
				failures[n] = append(failures[n], err)
			}
		}
	}
	for n, m := range group {
		rows := b.report.Rows[firstRow[n] : firstRow[n]+len(m.rows)]
		for i := range rows {
			rows[i].explain(ctx, m.rounds(b.runs), failures[n])
		}
	}
}

// once runs a measure once.
func (b *bencher) once(ctx context.Context, m measure, round int) error {
	what := fmt.Sprintf("%s %d/%d", m.key, round+1, m.rounds(b.runs))
	b.tell(Event{What: what, Detail: m.rows[0].Name})
	got := map[string][]string{}
	err := m.run(ctx, b.lab, func(id string, value float64) {
		n := slices.IndexFunc(b.report.Rows, func(r Row) bool { return r.ID == id })
		row := &b.report.Rows[n]
		row.Samples = append(row.Samples, value)
		if got[id] == nil {
			row.runs++
		}
		got[id] = append(got[id], amount(value, row.Unit))
	})
	b.tell(Event{What: what, Result: inWords(m.rows, got), Err: err})
	return err
}

// shown is how many samples of a row are told when a run is over.
const shown = 8

// inWords is what one run has given, in the order of its rows.
func inWords(rows []Row, got map[string][]string) string {
	var words []string
	for _, row := range rows {
		values := got[row.ID]
		if n := len(values); n > shown {
			values = append(append(values[:shown/2:shown/2], "..."), values[n-shown/2:]...)
		}
		if len(values) > 0 {
			words = append(words, row.ID+" "+strings.Join(values, " "))
		}
	}
	return strings.Join(words, ", ")
}

// provide makes the snapshot that a measure needs, unless it was tried before.
func (b *bencher) provide(ctx context.Context, needs *setup) error {
	if needs == nil || ctx.Err() != nil {
		return nil
	}
	s := needs.snapshot()
	err, tried := b.captured[s]
	if !tried {
		err = b.capture(ctx, s)
		b.captured[s] = err
	}
	return err
}

func (b *bencher) capture(ctx context.Context, s setup) error {
	const what = "capture"
	detail := fmt.Sprintf("a snapshot of a guest with %d MiB", s.ramMiB)
	if s.format != "" {
		detail += ", " + string(s.format)
	}
	b.tell(Event{What: what, Detail: detail})
	began := time.Now()
	err := b.lab.capture(ctx, s)
	b.tell(Event{What: what, Result: detail + " " + amount(time.Since(began).Seconds(), seconds), Err: err})
	return err
}

// explain notes why a row has no samples, or fewer than it should.
func (r *Row) explain(ctx context.Context, runs int, failures []error) {
	if r.runs == runs {
		return
	}
	var skipped *skip
	switch {
	case ctx.Err() != nil && (len(failures) == 0 || errors.Is(failures[0], context.Cause(ctx))):
		r.Note = "interrupted"
	case len(failures) == 0:
	case errors.As(failures[0], &skipped):
		r.Note = "skipped: " + oneLine(skipped.why)
	case r.runs == 0:
		r.Note = "failed: " + oneLine(failures[0].Error())
	default:
		r.Note = fmt.Sprintf("in %d of %d runs; one failed: %s", r.runs, runs, oneLine(failures[0].Error()))
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
