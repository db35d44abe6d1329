package actors

import "github.com/asynkron/protoactor-go/actor"

// sender is the part of an actor's context that a Ref needs.
type sender interface {
	Request(pid *actor.PID, message any)
}

// Ref is the address of an actor together with what it accepts, so that a message for somebody else does not compile.
// The zero Ref swallows what it is told.
type Ref[M any] struct{ pid *actor.PID }

// Tell sends m, with the teller as sender.
func (r Ref[M]) Tell(c sender, m M) {
	if r.pid != nil {
		c.Request(r.pid, m)
	}
}

// is tells whether pid is this actor.
func (r Ref[M]) is(pid *actor.PID) bool { return r.pid != nil && r.pid.Equal(pid) }
