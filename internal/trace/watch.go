package trace

import (
	"context"
	"time"
)

// Watcher hears of every start in a log that ends from now on.
type Watcher struct {
	each     func(*Start)
	follower *follower
	log      *Log
	run      *Run   // whose starts were told, up to the one that begins with
	told     uint64 // this record
	ended    uint64 // the same of a start that has ended just now: what has followed is still to be read
}

// NewWatcher begins to watch the log at path, which need not be there yet. What is in it already is not told.
func NewWatcher(path string, each func(*Start)) *Watcher {
	w := &Watcher{each: each, log: &Log{}}
	w.follower = newFollower(path, w.log.record)
	return w
}

// Run calls each with every start soon after it has ended, until ctx is done. A start that goes on then is told as it is.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.follower.close()
	tick := time.NewTicker(followPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			err := w.follower.read()
			w.tell(true)
			return err
		}
		if err := w.follower.read(); err != nil {
			return err
		}
		w.tell(false)
	}
}

// tell tells the starts that were not told.
func (w *Watcher) tell(all bool) {
	for _, run := range w.log.Runs {
		if run != w.run {
			w.run, w.told, w.ended = run, 0, 0
		}
		if len(run.Records) == run.linked && w.ended == 0 && !all {
			continue // nothing has come
		}
		run.link()
		starts := run.starts()
		for _, s := range starts {
			if first := s.Steps[0].Seq; first > w.told && w.over(s, all) {
				w.told, w.ended = first, 0
				w.each(s)
			}
		}
		if len(starts) > 0 {
			run.forget(starts[len(starts)-1])
		}
	}
	w.log.Runs = w.log.Runs[max(0, len(w.log.Runs)-1):]
}

// over tells whether all of a start is known: one tick after its last step, what that has led to has been written, too.
func (w *Watcher) over(s *Start, all bool) bool {
	if all || w.ended == s.Steps[0].Seq {
		return true
	}
	if s.Outcome != "" {
		w.ended = s.Steps[0].Seq
	}
	return false
}
