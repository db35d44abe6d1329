package actors

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/messages"
)

// sequence numbers every handled message of the process.
var sequence atomic.Uint64

// tracer is the first middleware of every actor: it records each message after it was handled, and stamps each message
// that is sent meanwhile with its cause. There is one per actor, used on that actor's goroutine only.
type tracer struct {
	instance string // whose actor it is; empty for one that serves all instances
	logs     *logbook
	born     stamp // what was being handled when it was spawned
	now      stamp // what is being handled
	mailbox  actor.Mailbox
}

// stamp is what a message carries in its envelope's header.
type stamp struct {
	cause    uint64
	attempt  string
	instance string
}

const (
	headerCause    = "cause"
	headerAttempt  = "attempt"
	headerInstance = "instance"
	headerSent     = "sent"  // Unix time in nanoseconds
	headerOff      = "off"   // msglog.Off
	headerBegan    = "began" // the same of the work or the timer
)

func (s stamp) put(e *actor.MessageEnvelope) {
	e.SetHeader(headerCause, strconv.FormatUint(s.cause, 10))
	e.SetHeader(headerAttempt, s.attempt)
	e.SetHeader(headerInstance, s.instance)
	e.SetHeader(headerSent, strconv.FormatInt(time.Now().UnixNano(), 10))
}

// offMailbox says how a message came that no actor has sent. A zero began is unknown.
type offMailbox struct {
	kind  msglog.Off
	began time.Time
}

func (o offMailbox) put(e *actor.MessageEnvelope) {
	e.SetHeader(headerOff, string(o.kind))
	if !o.began.IsZero() {
		e.SetHeader(headerBegan, strconv.FormatInt(o.began.UnixNano(), 10))
	}
}

// tracerOf is the tracer of the actor whose context this is.
func tracerOf(c actor.Context) *tracer { return c.Actor().(interface{ trace() *tracer }).trace() }

// setAttempt gives the correlation id to everything that the actor sends from now on.
func setAttempt(c actor.Context, id string) { tracerOf(c).now.attempt = id }

// about says which instance the message is about that an actor of all instances handles, when its sender could not.
func about(c actor.Context, instance string) { tracerOf(c).now.instance = instance }

// bornBy is the stamp of what is spawned now.
func bornBy(c actor.Context, attempt string) stamp {
	return stamp{cause: tracerOf(c).now.cause, attempt: attempt}
}

// goOn has all that the actor does from now on be a consequence of an earlier message: the library tells no cause of a Terminated.
func goOn(c actor.Context, with stamp) { tracerOf(c).now = with }

// stateful is implemented by actors that have states.
type stateful interface{ stateName() string }

// withTracer is the actor as the actor system knows it.
type withTracer struct {
	actor.Actor
	t *tracer
}

func (w withTracer) trace() *tracer { return w.t }

// Receive is the actor's own, but for work of it that has panicked.
func (w withTracer) Receive(c actor.Context) {
	if m, ok := c.Message().(*crashed); ok {
		fail(c, m.err)
		return
	}
	w.Actor.Receive(c)
}

// supervisor is withTracer for an actor that decides about its own children. The library looks for HandleFailure on the
// value that it was given, so it must be visible there.
type supervisor struct {
	withTracer
	actor.SupervisorStrategy
}

// mk makes the props of an actor: everything in this package is spawned with them.
// The actor begins with the start attempt of whoever spawns it. One without an instance serves all of them: whose a message
// is, its sender says.
func mk(instance string, born stamp, logs *logbook, produce func() actor.Actor) *actor.Props {
	born.instance = instance
	t := &tracer{instance: instance, logs: logs, born: born, now: born}
	return actor.PropsFromProducer(
		func() actor.Actor {
			a := produce()
			w := withTracer{a, t}
			if s, ok := a.(actor.SupervisorStrategy); ok {
				return supervisor{w, s}
			}
			return w
		},
		actor.WithMailbox(func() actor.Mailbox {
			t.mailbox = actor.Unbounded()()
			return t.mailbox
		}),
		actor.WithReceiverMiddleware(t.receive),
		actor.WithSenderMiddleware(t.send),
	)
}

func (t *tracer) send(next actor.SenderFunc) actor.SenderFunc {
	return func(c actor.SenderContext, to *actor.PID, e *actor.MessageEnvelope) {
		t.now.put(e)
		next(c, to, e)
	}
}

func (t *tracer) receive(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(c actor.ReceiverContext, e *actor.MessageEnvelope) {
		r := t.begin(c, e)
		defer func() {
			if p := recover(); p != nil {
				r.Failure, r.Stack = fmt.Sprint("panic: ", p), debug.Stack()
				// A panic while stopping would leave the actor and all its ancestors half stopped for ever.
				if !lifecycleEnd(e.Message) {
					defer panic(p)
				}
			}
			r.After, r.Took, r.Attempt = stateOf(c.Actor()), time.Since(r.At), t.now.attempt
			r.Instance = t.now.instance
			t.register(r, e.Message)
			t.logs.of(r.Instance).Write(r)
		}()
		next(c, e)
	}
}

// register keeps the census up to date.
func (t *tracer) register(r msglog.Record, m any) {
	switch m.(type) {
	case *actor.Started:
		t.logs.census.born(r.To, t.mailbox)
		t.logs.census.enters(r.To, r.After)
	case *actor.Stopped:
		t.logs.census.gone(r.To)
	default:
		if r.After != r.Before {
			t.logs.census.enters(r.To, r.After)
		}
	}
}

func (t *tracer) begin(c actor.ReceiverContext, e *actor.MessageEnvelope) msglog.Record {
	now := time.Now()
	r := msglog.Record{At: now, Seq: sequence.Add(1), To: c.Self().Id, Type: typeName(e.Message), Before: stateOf(c.Actor())}
	if e.Sender != nil {
		r.From = e.Sender.Id
	}
	if m, ok := e.Message.(messages.Message); ok {
		r.Body = m
	}
	if m, ok := e.Message.(*actor.Terminated); ok {
		r.From = m.Who.Id
	}
	if m, ok := e.Message.(outcome); ok && m.failure() != nil {
		r.Failure = m.failure().Error()
	}
	if m, ok := e.Message.(*crashed); ok {
		r.Stack = m.stack
	}
	if m, ok := e.Message.(interface{ detail() string }); ok {
		r.Detail = m.detail()
	}
	if _, first := e.Message.(*actor.Started); first {
		r.Parent = t.born.cause
	}
	t.now.cause = r.Seq
	if t.instance == "" {
		t.now.instance, t.now.attempt = "", ""
	}
	if e.Header != nil {
		r.Parent, _ = strconv.ParseUint(e.GetHeader(headerCause), 10, 64)
		if attempt := e.GetHeader(headerAttempt); attempt != "" {
			t.now.attempt = attempt
		}
		if t.instance == "" {
			t.now.instance = e.GetHeader(headerInstance)
		}
		if sent, err := strconv.ParseInt(e.GetHeader(headerSent), 10, 64); err == nil {
			r.Wait = now.Sub(time.Unix(0, sent))
			r.Off = msglog.Off(e.GetHeader(headerOff))
			if began, err := strconv.ParseInt(e.GetHeader(headerBegan), 10, 64); err == nil {
				r.OffTook = time.Duration(sent - began)
			}
		}
	}
	return r
}

// outcome is implemented by the results of work off the mailbox: the log tells why it failed.
type outcome interface{ failure() error }

// supervised records what receiver middleware cannot see: the failure of a child.
func (t *tracer) supervised(self, child *actor.PID, state string, err error) {
	t.logs.census.failed(child.Id, err)
	instance := t.now.instance
	if instance == "" {
		instance = instanceOf(child.Id)
	}
	t.logs.of(instance).Write(msglog.Record{Kind: msglog.Failure, At: time.Now(), Seq: sequence.Add(1), Parent: t.now.cause, Instance: instance, Attempt: t.now.attempt,
		From: child.Id, To: self.Id, Type: "Failure", Before: state, After: state, Failure: err.Error()})
}

func lifecycleEnd(m any) bool {
	switch m.(type) {
	case *actor.Stopping, *actor.Stopped, *actor.Restarting:
		return true
	}
	return false
}

func stateOf(a actor.Actor) string {
	if w, ok := a.(supervisor); ok {
		a = w.withTracer
	}
	if w, ok := a.(withTracer); ok {
		if s, ok := w.Actor.(stateful); ok {
			return s.stateName()
		}
	}
	return ""
}

// typeName is a message's type without pointer and package.
func typeName(m any) string {
	t := reflect.TypeOf(m)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
