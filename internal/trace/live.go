package trace

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
)

// keptAfter bounds how many records a [Live] remembers of what has come after its start.
const keptAfter = 2000

// Live is the last start of a log, and what comes after it, read while it is written.
type Live struct {
	log    *Log
	follow *follower
	shown  *Start          // of what was told last
	told   map[uint64]bool // the numbers of what was told of it
	fresh  bool            // there are records that were not told
}

// NewLive reads the log at path so far. One that is not there yet is no error. [Live.Close] ends it.
func NewLive(path string) (*Live, error) {
	l := &Live{log: &Log{}}
	l.follow = &follower{path: path, each: func(r *Record) {
		l.log.record(r)
		l.fresh = true
	}}
	files, err := openSegments(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	for n, f := range files {
		if n == len(files)-1 { // the one that is written
			l.follow.take(f)
			break
		}
		err = errors.Join(err, l.log.add(f), f.Close())
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	l.fresh = true
	return l, nil
}

// Close lets go of the file.
func (l *Live) Close() { l.follow.close() }

// Next is what has come since it was last asked, as a timeline with the new records only; nil if there is nothing. When another
// start has begun it is all of that, and Fresh.
func (l *Live) Next() (*Timeline, error) {
	if err := l.follow.read(); err != nil {
		return nil, err
	}
	s := l.start()
	if s == nil {
		return nil, nil
	}
	t := s.timeline(s.run.Records)
	t.Fresh = l.shown == nil || l.shown.run != s.run || !l.shown.Began.Equal(s.Began)
	now := make(map[uint64]bool, len(t.Records))
	t.Records = slices.DeleteFunc(t.Records, func(d *timelineRecord) bool {
		now[d.Seq] = true
		return !t.Fresh && l.told[d.Seq]
	})
	l.shown, l.told = s, now
	return t, nil
}

// start is the last start, of a run that has nothing of what was before it; nil if there is nothing new.
func (l *Live) start() *Start {
	if !l.fresh {
		return nil
	}
	l.fresh = false
	for _, run := range l.log.Runs {
		run.link()
	}
	s := l.log.Last()
	if s == nil {
		return nil
	}
	l.log.Runs = l.log.Runs[slices.Index(l.log.Runs, s.run):]
	s.run.forget(s)
	return s
}

// forget drops what was before a start, and the oldest of what has come after it.
func (r *Run) forget(s *Start) {
	first, last := s.Steps[0].Seq, s.Steps[len(s.Steps)-1].Seq
	from, _ := slices.BinarySearchFunc(r.Records, first, bySeq)
	until, _ := slices.BinarySearchFunc(r.Records, last+1, bySeq)
	until = max(from, until)
	kept := slices.Clone(r.Records[from:until])
	kept = append(kept, r.Records[max(until, len(r.Records)-keptAfter):]...)
	if len(kept) == len(r.Records) {
		return
	}
	r.Records, r.linked, r.by = kept, len(kept), make(map[uint64]*Record, len(kept))
	for _, rec := range kept {
		r.by[rec.Seq] = rec
	}
}

func bySeq(rec *Record, seq uint64) int { return cmp.Compare(rec.Seq, seq) }
