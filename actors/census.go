package actors

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/status"
)

// census knows which actors there are. It is read from outside while they work, so that one that hangs is seen, too.
type census struct {
	mu     sync.Mutex
	alive  map[string]*resident // by path
	places map[string]*place
}

type resident struct {
	mailbox actor.Mailbox
	state   string
}

// place is where an actor and its successors live.
type place struct {
	failures, restarts int
	last               error
	at                 time.Time
}

func newCensus() *census {
	return &census{alive: map[string]*resident{}, places: map[string]*place{}}
}

var numbered = regexp.MustCompile(`-\d+(\.\d+)?$`)

// placeOf is the path without what tells one occupant from the next.
func placeOf(path string) string {
	if strings.Count(path, "/") < 2 { // an instance may have a number in its name
		return path
	}
	return numbered.ReplaceAllString(path, "")
}

// place is there from the first time that it is asked for. The caller has the lock.
func (s *census) place(path string) *place {
	name := placeOf(path)
	if s.places[name] == nil {
		s.places[name] = &place{}
	}
	return s.places[name]
}

func (s *census) born(path string, mailbox actor.Mailbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive[path] = &resident{mailbox: mailbox}
	s.place(path).filled()
}

func (s *census) gone(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.alive, path)
}

func (s *census) enters(path, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.alive[path]; r != nil {
		r.state = state
	}
}

func (s *census) failed(path string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.place(path)
	p.failures, p.last, p.at = p.failures+1, err, time.Now()
}

// again says that an actor itself begins anew.
func (s *census) again(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place(path).filled()
}

// filled counts what comes after a failure.
func (p *place) filled() {
	if p.failures > p.restarts {
		p.restarts++
	}
}

// all are the actors that live, sorted by path.
func (s *census) all() []status.Actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []status.Actor
	for path, r := range s.alive {
		p := s.place(path)
		a := status.Actor{Path: path, State: r.state, Restarts: p.restarts, Mailbox: r.mailbox.UserMessageCount(), FailedAt: p.at}
		if p.last != nil {
			a.Failure = p.last.Error()
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b status.Actor) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// Actors are the actors of the tree as they are now, sorted by path.
func (t *Tree) Actors() []status.Actor { return t.census.all() }
