package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/messages"
)

// Puller brings images to where instances look for them: image.Puller, or a test's.
type Puller interface {
	Pull(ctx context.Context, r image.Request, tell func(image.Progress)) (image.Result, error)
}

// downloader has images fetched, each one once however many ask for it.
//
// Parent: the fleet, whose emulators may ask, too. Children: a transfer for each image that is being fetched. In: PullImage and
// StopPulls, and what the transfers tell. Out: PullProgress, and ImagePulled or PullFailed, to everybody who has asked. A transfer
// that fails itself (a bug) is a pull that has failed.
//
//	transfer | begins with the first PullImage for its request, ends with ImagePulled or PullFailed; is stopped when nobody wants it
type downloader struct {
	puller  Puller
	logs    *logbook
	spawned int
	running []*pulling
}

// pulling is one image that is being fetched.
type pulling struct {
	request  image.Request
	transfer Ref[messages.Transfer]
	askers   []Ref[messages.Observer]
	progress *messages.PullProgress // the latest, for who comes later; nil at the start
	stopping bool                   // nobody wants it any more: who comes now begins another one, which waits for its end
	outcome  messages.Observer      // the transfer's last word: it is told when the transfer has stopped, and has logged what it did
	because  stamp                  // of the outcome
}

func (d *downloader) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *messages.PullImage:
		d.pull(c, m.Request)
	case *messages.StopPulls:
		d.stop(c, Ref[messages.Observer]{c.Sender()})
	case *messages.PullProgress:
		if p := d.of(c.Sender()); p != nil {
			p.progress = m
			p.tell(c, m)
		}
	case *messages.ImagePulled:
		d.done(c, m)
	case *messages.PullFailed:
		d.done(c, m)
	case *actor.Terminated:
		d.end(c, m.Who)
	}
}

var errTransferLost = errors.New("pull: its actor failed (this is a bug: the message log has the stack)")

// pull joins the transfer of an image that is being fetched, or begins one.
func (d *downloader) pull(c actor.Context, r image.Request) {
	asker := Ref[messages.Observer]{c.Sender()}
	for _, p := range d.running {
		if p.request == r && !p.stopping {
			p.askers = append(p.askers, asker)
			if p.progress != nil {
				asker.Tell(c, p.progress)
			}
			return
		}
	}
	d.spawned++
	puller, parent := d.puller, Ref[messages.Downloader]{c.Self()}
	of := tracerOf(c).now // the first asker's log tells what the time was spent on
	props := mk(of.instance, bornBy(c, of.attempt), d.logs, func() actor.Actor { return &transfer{puller: puller, request: r, parent: parent} })
	pid, err := c.SpawnNamed(props, fmt.Sprintf("transfer-%d", d.spawned))
	if err != nil {
		panic(fmt.Errorf("spawn: %w", err)) // a name is used once: this is a bug
	}
	d.running = append(d.running, &pulling{request: r, transfer: Ref[messages.Transfer]{pid}, askers: []Ref[messages.Observer]{asker}})
}

// stop ends the pulls that nobody but one asker wants, and takes the asker off the others.
func (d *downloader) stop(c actor.Context, asker Ref[messages.Observer]) {
	for _, p := range d.running {
		others := slices.DeleteFunc(slices.Clone(p.askers), func(a Ref[messages.Observer]) bool { return a.is(asker.pid) })
		switch {
		case len(others) == len(p.askers):
		case len(others) == 0:
			p.stopping = true
			p.transfer.Tell(c, &messages.StopTransfer{})
		default:
			p.askers = others
			asker.Tell(c, &messages.PullFailed{Request: p.request, Cause: messages.Cause{Err: errPullStopped}})
		}
	}
}

func (d *downloader) of(who *actor.PID) *pulling {
	for _, p := range d.running {
		if p.transfer.is(who) {
			return p
		}
	}
	return nil
}

// done notes an outcome.
func (d *downloader) done(c actor.Context, outcome messages.Observer) {
	if p := d.of(c.Sender()); p != nil {
		p.outcome, p.because = outcome, tracerOf(c).now
		c.Stop(c.Sender())
	}
}

// end tells the outcome to all who wait for it.
func (d *downloader) end(c actor.Context, who *actor.PID) {
	p := d.of(who)
	if p == nil {
		return
	}
	d.running = slices.DeleteFunc(d.running, func(other *pulling) bool { return other == p })
	if p.outcome == nil {
		p.tell(c, &messages.PullFailed{Request: p.request, Cause: messages.Cause{Err: errTransferLost}})
		return
	}
	goOn(c, p.because)
	p.tell(c, p.outcome)
}

func (p *pulling) tell(c actor.Context, m messages.Observer) {
	for _, asker := range p.askers {
		asker.Tell(c, m)
	}
}

// HandleFailure stops what failed: Terminated does the rest.
func (d *downloader) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, who *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	c := s.(actor.Context)
	tracerOf(c).supervised(c.Self(), who, "", asError(reason))
	s.StopChildren(who)
}
