package main

import (
	"crypto/rand"
	"sync"

	"github.com/stackemu/stackemu/internal/control"
)

// leases are who uses an instance. The last one of them takes along an instance that somebody owns.
type leases struct {
	mu       sync.Mutex
	open     map[string]control.LeaseKind
	owned    bool // it is to be stopped when nobody uses it
	kept     bool // and yet it stays
	stopping bool
}

// take adds one. There is none of an instance that is on its way down.
func (l *leases) take(kind control.LeaseKind) (id string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return "", false
	}
	if l.open == nil {
		l.open = map[string]control.LeaseKind{}
	}
	id = rand.Text() // one of another supervisor is none of ours
	l.open[id] = kind
	l.kept = l.kept || kind == control.LeaseKeep
	return id, true
}

// giveBack ends one, and says how many are left. last says that the instance is to be stopped, for the first time.
func (l *leases) giveBack(id string) (left int, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owned = l.owned || l.open[id] == control.LeaseOwn
	delete(l.open, id)
	last = l.owned && !l.kept && !l.stopping && len(l.open) == 0
	l.stopping = l.stopping || last
	return len(l.open), last
}

// stop notes that the instance is stopped, whoever uses it.
func (l *leases) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
}

// Lease begins the use of the instance by another process.
func (m *member) Lease(kind control.LeaseKind) (id string, err error) {
	id, ok := m.leases.take(kind)
	if !ok || m.feed.Status().Stopping {
		return "", &control.Error{Code: control.CodeStopping, Message: "it is being stopped", Retryable: true}
	}
	return id, nil
}

// Return ends it.
func (m *member) Return(id string) (users int, stops bool) {
	users, stops = m.leases.giveBack(id)
	if stops {
		m.Stop(false)
	}
	return users, stops
}
