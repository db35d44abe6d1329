package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/messages"
)

// prober owns the health checks of one generation. It tells changes only, and asks less often once all is well.
//
// Parent: an emulator. In: nothing. Out: ServiceChanged, AllHealthy once, when every service has been healthy at the same time for
// the first time, and ClockMoved, since it is what is awake every now and then.
type prober struct {
	life
	instance string
	emulator Ref[messages.Emulator]
	checks   []Check
	clock    wallClock

	began    time.Time
	services map[string]*serviceHealth
	waiting  []Check // for their first turn
	told     bool    // AllHealthy
}

type serviceHealth struct {
	healthy bool
	since   time.Time     // when it was healthy last, or was asked for the first time
	detail  string        // what it answered last; empty after a good answer
	misses  int           // in a row, while healthy
	pause   time.Duration // before the next check
}

// While a service is awaited it is asked often, since each pause is time that a user waits: at most an eighth of what it has been
// awaited for, between the first and the second of these. A healthy one is asked ever less often: three misses in a row, a second
// apart, make it unhealthy.
const (
	firstAwait   = 20 * time.Millisecond
	longestAwait = 200 * time.Millisecond
	doubtPause   = time.Second
	calmPause    = 10 * time.Second
	probeTimeout = 2 * time.Second
	maxMisses    = 3
)

// atOnce is how many services are asked at once for the first time. A guest that has just been resumed does all that it does for the first
// time: what two have needed is there for the others, and the slowest one need not share the processors with all of them.
const atOnce = 2

type probed struct {
	check Check
	err   error
}

type probeDue struct{ check Check }

func (a *prober) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		a.life, a.began, a.services = newLife(), time.Now(), map[string]*serviceHealth{}
		a.clock.moved()
		for _, check := range a.checks {
			a.services[check.Service] = &serviceHealth{since: a.began}
		}
		a.waiting = a.checks
		for range atOnce {
			a.next(c)
		}
	case *probeDue:
		a.probe(c, m.check)
	case *probed:
		a.probed(c, m)
	case *actor.Stopping:
		a.end()
	}
}

// next asks the next service for the first time.
func (a *prober) next(c actor.Context) {
	if len(a.waiting) > 0 {
		a.probe(c, a.waiting[0])
		a.waiting = a.waiting[1:]
	}
}

func (a *prober) probe(c actor.Context, check Check) {
	a.run(c, func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		return &probed{check, check.Probe(ctx)}
	})
}

func (a *prober) probed(c actor.Context, m *probed) {
	a.next(c)
	s, detail := a.services[m.check.Service], ""
	if m.err != nil {
		detail = m.err.Error()
	}
	if s.update(detail, time.Now()) {
		a.emulator.Tell(c, &messages.ServiceChanged{
			Instance: a.instance, Service: m.check.Service, Healthy: s.healthy, Detail: s.detail, After: time.Since(a.began)})
	}
	if !a.told && a.allHealthy() {
		a.told = true
		a.emulator.Tell(c, &messages.AllHealthy{})
	}
	if by := a.clock.moved(); by != 0 {
		a.emulator.Tell(c, &messages.ClockMoved{By: by})
	}
	a.after(c, s.pause, &probeDue{m.check})
}

// update takes one answer, empty for a good one, and tells whether it is news: better, worse, or bad in another way.
func (s *serviceHealth) update(detail string, now time.Time) (news bool) {
	ok, news := detail == "", detail != s.detail
	s.detail = detail
	if ok {
		s.since = now
	}
	switch {
	case ok && s.healthy:
		s.misses, s.pause = 0, min(2*s.pause, calmPause)
		return false
	case ok:
		s.healthy, s.misses, s.pause = true, 0, doubtPause
		return true
	case s.healthy:
		s.misses, s.pause = s.misses+1, doubtPause
		if s.misses < maxMisses {
			return false
		}
		s.healthy, s.pause = false, firstAwait
		return true
	default:
		s.pause = min(max(firstAwait, now.Sub(s.since)/8), longestAwait)
		return news
	}
}

func (a *prober) allHealthy() bool {
	for _, s := range a.services {
		if !s.healthy {
			return false
		}
	}
	return true
}

func (m *probed) detail() string { return m.check.Service }

func (m *probeDue) detail() string { return m.check.Service }

func (m *probed) failure() error { return m.err }
