package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
)

// instance is how an instance is, and what is being done to it from this page.
type instance struct {
	status.Status
	Doing Action `json:"doing,omitempty"`
}

const (
	// round is how often it is asked for what no event tells: memory, instances of which nothing is known yet.
	round = 2 * time.Second
	// calm is how long events are gathered before it is asked what they amount to.
	calm = 50 * time.Millisecond
)

// instances tells how all instances are, and of which actors the supervisor of one is made, again after everything that happens to
// one of them.
func (s *Server) instances(ctx context.Context, looked home.Instance, send func(frame) error) error {
	ears := &ears{home: s.o.Home, happened: make(chan struct{}, 1), at: map[string]bool{}}
	defer ears.all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(round)
	defer tick.Stop()
	var told []byte
	for {
		all := s.survey(ctx)
		actors, _ := control.NewClient(looked.ControlSock).Actors(ctx) // none without a supervisor
		f := frame{Instances: all, Actors: actors}
		now, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if !bytes.Equal(now, told) {
			if err := send(f); err != nil {
				return err
			}
			told = now
		}
		for _, i := range all {
			if i.Supervisor != nil {
				ears.listen(ctx, i.Instance, i.Seq)
			}
		}
		select {
		case <-tick.C:
		case <-ears.happened:
			select {
			case <-time.After(calm):
			case <-ctx.Done():
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// survey asks all instances how they are. Without any there is the default one, which can be started.
func (s *Server) survey(ctx context.Context) []instance {
	names, err := s.o.Home.Instances()
	if err != nil || len(names) == 0 {
		names = []string{home.DefaultInstance}
	}
	all := make([]instance, len(names))
	var asked sync.WaitGroup
	for n, name := range names {
		asked.Go(func() {
			now, err := s.o.Inspect(ctx, name)
			if err != nil { // one that cannot be asked is no reason to hide the others
				now = status.New(name)
				now.State, now.Cause = status.Unresponsive, err.Error()
			}
			all[n] = instance{now, s.doingTo(name)}
		})
	}
	asked.Wait()
	return all
}

// ears hear that something happens to instances.
type ears struct {
	home     home.Home
	happened chan struct{}
	all      sync.WaitGroup

	mu sync.Mutex
	at map[string]bool // the instances that are listened to
}

// listen hears what happens to an instance from now on, until it has ended.
func (e *ears) listen(ctx context.Context, name string, after uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	files, err := e.home.Instance(name)
	if e.at[name] || err != nil {
		return
	}
	e.at[name] = true
	e.all.Go(func() {
		_ = control.NewClient(files.ControlSock).Events(ctx, after, func(status.Event) error { e.poke(); return nil })
		e.mu.Lock()
		delete(e.at, name)
		e.mu.Unlock()
		e.poke()
	})
}

// poke is heard once, however often it is done before.
func (e *ears) poke() {
	select {
	case e.happened <- struct{}{}:
	default:
	}
}
