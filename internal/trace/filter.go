package trace

import (
	"strings"
	"time"
)

// Filter chooses records. The zero Filter takes all.
type Filter struct {
	Actor       string // part of the sender's or the receiver's path
	Type        string // the type's name, or its beginning; case does not matter
	Attempt     string // the id of a start attempt, or its end
	MinDuration time.Duration
}

// Zero tells whether it takes all.
func (f Filter) Zero() bool { return f == Filter{} }

func (f Filter) fits(r *Record) bool {
	return (f.Actor == "" || strings.Contains(r.To, f.Actor) || strings.Contains(r.From, f.Actor)) &&
		(f.Type == "" || len(r.Type) >= len(f.Type) && strings.EqualFold(r.Type[:len(f.Type)], f.Type)) &&
		(f.Attempt == "" || strings.HasSuffix(r.Attempt, f.Attempt)) &&
		r.Duration() >= f.MinDuration
}

// Select is the records that fit.
func (f Filter) Select(records []*Record) (kept []*Record) {
	for _, r := range records {
		if f.fits(r) {
			kept = append(kept, r)
		}
	}
	return kept
}
