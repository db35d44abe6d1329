package actors

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/messages"
)

// Tree is a running supervisor tree, as the program around it sees it. Its methods may be called from any goroutine.
type Tree struct {
	system *actor.ActorSystem
	fleet  *actor.PID
	census *census
	ended  chan struct{} // closed when no actor is left
}

// Options are what a tree is made of.
type Options struct {
	World   World
	Puller  Puller // fetches images; nil for nobody
	Policy  lifecycle.Policy
	Log     zerolog.Logger          // everything that is not a message; messages go to it at trace level
	RunID   string                  // part of every correlation id; empty for one made of the time
	Observe func(messages.Observer) // called for everything that happens, one call at a time
}

// Start grows a tree with no instance in it.
func Start(o Options) *Tree {
	return start(o, newLogbook(msglog.ConsoleOnly(o.Log), func() *msglog.Log { return msglog.New(o.Log) }))
}

func start(o Options, logs *logbook) *Tree {
	if o.RunID == "" {
		o.RunID = strconv.FormatInt(time.Now().Unix(), 36)
	}
	t := &Tree{ended: make(chan struct{})}
	t.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return libraryLogger(o.Log) }))
	t.census = logs.census
	t.system.EventStream.Subscribe(logs.deadLetters)
	produce := func() actor.Actor {
		return &fleet{world: o.World, policy: o.Policy, runID: o.RunID, logs: logs, observe: o.Observe, puller: o.Puller}
	}
	ended := func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(c actor.ReceiverContext, e *actor.MessageEnvelope) {
			next(c, e)
			if _, last := e.Message.(*actor.Stopped); last {
				close(t.ended)
			}
		}
	}
	pid, err := t.system.Root.SpawnNamed(mk("", stamp{}, logs, produce).Configure(actor.WithReceiverMiddleware(ended)), "fleet")
	if err != nil {
		panic(fmt.Errorf("spawn fleet: %w", err)) // the system is new: the name is free
	}
	t.fleet = pid
	return t
}

// Tell sends a command to the fleet.
func (t *Tree) Tell(m messages.Fleet) { t.system.Root.Send(t.fleet, m) }

// Close stops every actor, killing what still runs, and waits until none is left or ctx is done.
func (t *Tree) Close(ctx context.Context) error {
	t.system.Root.Stop(t.fleet)
	select {
	case <-t.ended:
		t.system.Shutdown()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("actors: not stopped: %w", context.Cause(ctx))
	}
}
