package download

import (
	"context"
	"sync/atomic"
	"time"
)

// Progress is how a download stands.
type Progress struct {
	Done  int64         // bytes that are there, those of an earlier attempt included
	Total int64         // bytes; 0 when it is not known
	Rate  float64       // bytes per second, over the last seconds
	Left  time.Duration // at that rate; 0 when it is not known
	Note  string        // what it waits for, when it does
}

// The pace of progress: often enough for the eye, over a time that is long enough for a steady number.
const (
	progressEvery = 200 * time.Millisecond
	rateOver      = 5 * time.Second
)

// meter counts what arrives.
type meter struct {
	done, total atomic.Int64
	note        atomic.Pointer[string]
	samples     []int64 // done, one each progressEvery; the last one is the latest
}

func (m *meter) add(n int64) { m.done.Add(n) }

func (m *meter) say(note string) { m.note.Store(&note) }

// run tells the progress until ctx is done.
func (m *meter) run(ctx context.Context, tell func(Progress)) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	m.samples = []int64{m.done.Load()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			tell(m.progress())
		}
	}
}

func (m *meter) progress() Progress {
	p := Progress{Done: m.done.Load(), Total: m.total.Load()}
	if note := m.note.Load(); note != nil {
		p.Note = *note
	}
	m.samples = append(m.samples, p.Done)
	if keep := int(rateOver/progressEvery) + 1; len(m.samples) > keep {
		m.samples = m.samples[1:]
	}
	if span := time.Duration(len(m.samples)-1) * progressEvery; span > 0 {
		p.Rate = max(0, float64(p.Done-m.samples[0])/span.Seconds())
	}
	if p.Total > p.Done && p.Rate > 0 {
		p.Left = time.Duration(float64(p.Total-p.Done) / p.Rate * float64(time.Second))
	}
	return p
}
