package actors

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/internal/span"
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
func (l life) run(c actor.Context, work func(ctx context.Context) any) { l.off(c, msglog.Work, work) }

// await is run for work that only waits for something to happen: the log tells that apart from work.
func (l life) await(c actor.Context, wait func(ctx context.Context) any) {
	l.off(c, msglog.Event, wait)
}

func (l life) off(c actor.Context, kind msglog.Off, work func(ctx context.Context) any) {
	tell, post, ctx := outsideOf(c), posterOff(c), l.ctx
	go func() {
		off := offMailbox{kind, time.Now()}
		result := guarded(span.With(ctx, tell.heard), work)
		if result == nil {
			return
		}
		if ctx.Err() != nil {
			tell.dropped(result, off)
			if held, ok := result.(io.Closer); ok {
				_ = held.Close()
			}
			return
		}
		post(result, off)
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
	timer.off(c, msglog.Timer, func(ctx context.Context) any {
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
	post := posterOff(c)
	return func(m any) { post(m, offMailbox{kind: msglog.Event}) }
}

func posterOff(c actor.Context) func(m any, off offMailbox) {
	self, root := c.Self(), c.ActorSystem().Root
	stamp := tracerOf(c).now
	return func(m any, off offMailbox) {
		e := &actor.MessageEnvelope{Message: m, Sender: self}
		stamp.put(e)
		off.put(e)
		root.Send(self, e)
	}
}

// fail hands an error to the supervisor as if the actor had panicked with it, and suspends its mailbox. The caller
// returns at once.
func fail(c actor.Context, err error) {
	c.(actor.Supervisor).EscalateFailure(err, c.Message())
}

func (m *crashed) failure() error { return m.err }
