package actors

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// life is the span of one actor, as a context: whatever an actor starts off its mailbox belongs to its life, and its
// result is a message to the actor itself. This is the only place in the package that starts goroutines.
//
// protoactor's own means (ReenterAfter, PipeTo, SetReceiveTimeout, the scheduler) outlive the actor, race, or lose the
// sender; docs/decisions/0003 has the list.
type life struct {
	ctx context.Context
	end context.CancelFunc
}

func newLife() life {
	ctx, end := context.WithCancel(context.Background())
	return life{ctx, end}
}

// nested is a shorter life inside this one: a generation, a stage.
func (l life) nested() life {
	ctx, end := context.WithCancel(l.ctx)
	return life{ctx, end}
}

// run does work off the mailbox and posts what it returns to the actor itself, unless life is over by then: a result that
// holds something (an io.Closer) is closed in that case. work must return soon after ctx is done.
func (l life) run(c actor.Context, work func(ctx context.Context) any) {
	post, ctx := poster(c), l.ctx
	go func() {
		result := guarded(ctx, work)
		if result == nil {
			return
		}
		if ctx.Err() != nil {
			if held, ok := result.(io.Closer); ok {
				_ = held.Close()
			}
			return
		}
		post(result)
	}()
}

// crashed is what comes back from work that has panicked. To the actor it is as if its own Receive had: see withTracer.
type crashed struct {
	err   error
	stack []byte
}

func guarded(ctx context.Context, work func(ctx context.Context) any) (result any) {
	defer func() {
		if p := recover(); p != nil {
			result = &crashed{fmt.Errorf("panic: %v", p), debug.Stack()}
		}
	}()
	return work(ctx)
}

// after posts m to the actor itself when d is over. The returned life ends the timer.
func (l life) after(c actor.Context, d time.Duration, m any) life {
	timer := l.nested()
	timer.run(c, func(ctx context.Context) any {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return m
		case <-ctx.Done():
			return nil
		}
	})
	return timer
}

// poster returns a function that sends to the actor itself from any goroutine, and that ties what it sends to the
// message being handled now.
func poster(c actor.Context) func(m any) {
	self, root := c.Self(), c.ActorSystem().Root
	stamp := tracerOf(c).now
	return func(m any) {
		e := &actor.MessageEnvelope{Message: m, Sender: self}
		stamp.put(e)
		root.Send(self, e)
	}
}

// fail hands an error to the supervisor as if the actor had panicked with it, and suspends its mailbox. The caller
// returns at once.
func fail(c actor.Context, err error) {
	c.(actor.Supervisor).EscalateFailure(err, c.Message())
}

func (m *crashed) failure() error { return m.err }
