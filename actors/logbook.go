package actors

import (
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/internal/span"
)

// logbook knows the message logs of the instances. It is the only thing in the tree that actors share: whoever handles a message
// writes it, at once, to the log of the instance that the message is about.
type logbook struct {
	census  *census
	console *msglog.Log // of what is about no instance
	fresh   func() *msglog.Log

	mu sync.Mutex
	by map[string]*msglog.Log
}

func newLogbook(console *msglog.Log, fresh func() *msglog.Log) *logbook {
	return &logbook{census: newCensus(), console: console, fresh: fresh, by: map[string]*msglog.Log{}}
}

// open begins the log of an instance.
func (b *logbook) open(instance string) *msglog.Log {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.by[instance] = b.fresh()
	return b.by[instance]
}

// close ends it. What is still said about the instance goes to the console.
func (b *logbook) close(instance string) {
	b.mu.Lock()
	log := b.by[instance]
	delete(b.by, instance)
	b.mu.Unlock()
	if log != nil {
		log.Close()
	}
}

func (b *logbook) of(instance string) *msglog.Log {
	b.mu.Lock()
	defer b.mu.Unlock()
	if log := b.by[instance]; log != nil {
		return log
	}
	return b.console
}

// instanceOf is whose actor a path in the tree names. Names that begin with _ are of actors that serve all instances.
func instanceOf(path string) string {
	_, name, _ := strings.Cut(path, "/")
	name, _, _ = strings.Cut(name, "/")
	if strings.HasPrefix(name, "_") {
		return ""
	}
	return name
}

// outside is a writer of what work off a mailbox tells about itself.
type outside struct {
	logs  *logbook
	self  string
	cause stamp
}

func outsideOf(c actor.Context) outside {
	t := tracerOf(c)
	return outside{t.logs, c.Self().Id, t.now}
}

func (o outside) record(kind msglog.Kind, at time.Time) msglog.Record {
	return msglog.Record{Kind: kind, At: at, Seq: sequence.Add(1), Parent: o.cause.cause, Instance: o.cause.instance, Attempt: o.cause.attempt, From: o.self}
}

// heard writes what the work has waited for.
func (o outside) heard(s span.Span) {
	r := o.record(msglog.External, s.Began)
	r.To, r.Type, r.Took = s.Of, s.Name, s.Took
	if s.Err != nil {
		r.Failure = s.Err.Error()
	}
	o.logs.of(r.Instance).Write(r)
}

// dropped writes that nobody waits for the result of the work any more.
func (o outside) dropped(result any, off offMailbox) {
	r := o.record(msglog.Dropped, time.Now())
	r.To, r.Type, r.Off, r.OffTook = o.self, typeName(result), off.kind, time.Since(off.began)
	if m, ok := result.(outcome); ok && m.failure() != nil {
		r.Failure = m.failure().Error()
	}
	o.logs.of(r.Instance).Write(r)
}

// deadLetters writes each message that has reached nobody. What the library itself sends to who is gone is its own affair.
func (b *logbook) deadLetters(event any) {
	letter, ok := event.(*actor.DeadLetterEvent)
	if !ok || letter.PID == nil || letter.Message == nil {
		return
	}
	switch letter.Message.(type) {
	case *actor.Watch, *actor.Unwatch, *actor.Stop, *actor.Terminated, *actor.DeadLetterResponse:
		return
	}
	r := msglog.Record{Kind: msglog.DeadLetter, At: time.Now(), Seq: sequence.Add(1), Instance: instanceOf(letter.PID.Id), To: letter.PID.Id, Type: typeName(letter.Message)}
	if letter.Sender != nil {
		r.From = letter.Sender.Id
	}
	b.of(r.Instance).Write(r)
}
