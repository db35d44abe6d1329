package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
)

// This file is the emulator's part in images: where there is none to make the instance from, it has one pulled, and prepares
// again.

// wanted is an image that has to be pulled first.
type wanted struct {
	request image.Request
	asked   bool // the downloader owes an answer

	phase, note string    // what has been told of the pull last
	told        time.Time // when
}

// ErrNotPulled is in the chain of the error of a start that has neither an image nor a way to get one.
var ErrNotPulled = errors.New("there is no image, and it could not be pulled: `stackemu image build` makes one on this machine, without GitHub; " +
	"`stackemu pull --file` takes one that you have")

var errNoDownloader = errors.New("the downloader is gone (this is a bug: the message log has the stack)")

// missing notes which image the instance needs.
func (e *emulator) missing(c actor.Context, m *MissingImage) {
	e.image = wanted{request: m.Request}
	e.step(c, lifecycle.ImageMissing{Err: m.Err})
}

// pull asks the downloader. Its end is an answer, too (see terminated).
func (e *emulator) pull(c actor.Context) {
	e.span.end() // of the generation that could not be prepared
	if e.downloader.pid == nil {
		e.step(c, lifecycle.PullFailed{Err: errNoDownloader})
		return
	}
	repo := e.image.request.Repo
	if repo == "" {
		repo = image.DefaultRepo
	}
	e.notice(c, "there is no image yet: pulls the latest one of "+repo)
	e.image.asked = true
	c.Watch(e.downloader.pid)
	e.downloader.Tell(c, &messages.PullImage{Request: e.image.request})
}

// tellEvery is how often a long step is told about.
const tellEvery = time.Second

func (e *emulator) pullProgress(c actor.Context, m *messages.PullProgress) {
	w := &e.image
	if e.machineState.State() != lifecycle.Pulling || string(m.Phase) == w.phase && m.Note == w.note && time.Since(w.told) < tellEvery {
		return
	}
	w.phase, w.note, w.told = string(m.Phase), m.Note, time.Now()
	e.fleet.Tell(c, &messages.InstanceProgress{Instance: e.name, Doing: string(m.Phase), Done: m.Done, Total: m.Total, Rate: m.Rate, Left: m.Left, Note: m.Note})
}

func (e *emulator) imagePulled(c actor.Context, r image.Result) {
	if !e.answered(c) {
		return
	}
	if !r.UpToDate { // else somebody else has pulled it meanwhile
		text := fmt.Sprintf("pulled the image, %s, from %s", download.Bytes(r.Size), r.From)
		if r.Resumed > 0 {
			text += fmt.Sprintf("; %s of it were there from an earlier pull", download.Bytes(r.Resumed))
		}
		e.notice(c, text)
	}
	e.step(c, lifecycle.Pulled{})
}

func (e *emulator) pullFailed(c actor.Context, err error) {
	if e.answered(c) {
		e.step(c, lifecycle.PullFailed{Err: fmt.Errorf("pull: %w\n%w", err, ErrNotPulled)})
	}
}

// answered notes that the downloader has answered, and tells whether somebody waits for that other than the end.
func (e *emulator) answered(c actor.Context) bool {
	e.image.asked = false
	if e.draining {
		e.drainNext(c)
		return false
	}
	return true
}
