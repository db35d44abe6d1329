package control

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/status"
)

// keptEvents bounds how many events a feed can tell again: more than a start has, and the flapping of a service for hours.
const keptEvents = 1000

// Feed is the events of one run of an instance, and the status that they add up to. Its methods may be called from any
// goroutine.
type Feed struct {
	mu      sync.Mutex
	status  status.Status
	events  []status.Event // the last ones
	seq     uint64
	ended   bool
	changed chan struct{} // closed, and replaced, with every event
}

// NewFeed is the feed of an instance to which nothing has happened yet.
func NewFeed(instance string) *Feed {
	return &Feed{status: status.New(instance), changed: make(chan struct{})}
}

// Publish gives an event its number, and a time if it has none, and tells it to everybody. Progress takes the place of the progress
// right before it. An event after the last one ([status.Ended]) is forgotten.
func (f *Feed) Publish(e status.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	f.seq++
	e.Seq = f.seq
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	f.status = status.Apply(f.status, e)
	switch last := len(f.events) - 1; {
	case last >= 0 && e.Kind == status.Progressed && f.events[last].Kind == status.Progressed:
		f.events = slices.Clone(f.events[:last]) // who reads it has a part of the one before
	case len(f.events) == keptEvents:
		f.events = slices.Clone(f.events[1:])
	}
	f.events = append(f.events, e)
	f.ended = e.Kind == status.Ended
	close(f.changed)
	f.changed = make(chan struct{})
}

// Status is the status as of the last event.
func (f *Feed) Status() status.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Events are the events after the one with the number after, as they come, until the last one or until ctx is done. The
// oldest may be missing.
func (f *Feed) Events(ctx context.Context, after uint64) iter.Seq[status.Event] {
	return func(yield func(status.Event) bool) {
		for {
			events, ended, changed := f.since(after)
			for _, e := range events {
				if !yield(e) {
					return
				}
				after = e.Seq
			}
			if ended {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (f *Feed) since(after uint64) (events []status.Event, ended bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n, e := range f.events {
		if e.Seq > after {
			return f.events[n:len(f.events):len(f.events)], f.ended, f.changed
		}
	}
	return nil, f.ended, f.changed
}
