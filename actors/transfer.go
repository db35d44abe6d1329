package actors

import (
	"context"
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/messages"
)

// transfer fetches one image.
//
// Parent: the downloader. In: StopTransfer. Out: PullProgress, then ImagePulled or PullFailed as its last word. It owns the
// work: when it has stopped, the work ends, and what has arrived is on the disk.
type transfer struct {
	life
	puller  Puller
	request image.Request
	parent  Ref[messages.Downloader]
	stop    context.CancelCauseFunc // ends the work, whose outcome is told all the same
}

// errPullStopped is the outcome of a pull that was stopped.
var errPullStopped = errors.New("stopped; the next pull goes on from here")

// pulled is what came of the work.
type pulled struct {
	result image.Result
	err    error
}

func (t *transfer) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		t.life = newLife()
		t.begin(c)
	case *messages.StopTransfer:
		t.stop(errPullStopped)
	case *messages.PullProgress: // the work's
		t.parent.Tell(c, m)
	case *pulled:
		if m.err != nil {
			t.parent.Tell(c, &messages.PullFailed{Request: t.request, Cause: messages.Cause{Err: m.err}})
			return
		}
		t.parent.Tell(c, &messages.ImagePulled{Request: t.request, Result: m.result})
	case *actor.Stopping:
		t.end()
	}
}

func (t *transfer) begin(c actor.Context) {
	puller, request, post := t.puller, t.request, poster(c)
	working, stop := context.WithCancelCause(t.ctx)
	t.stop = stop
	t.run(c, func(ctx context.Context) any {
		defer stop(nil)
		end := span.Begin(ctx, "network", "pull the image")
		result, err := puller.Pull(working, request, func(p image.Progress) {
			post(&messages.PullProgress{Request: request, Phase: p.Phase, Done: p.Done, Total: p.Total, Rate: p.Rate, Left: p.Left, Note: p.Note})
		})
		end(err)
		return &pulled{result, err}
	})
}

func (p *pulled) failure() error { return p.err }
