package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"github.com/stackemu/stackemu/actors"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/otlp"
	"github.com/stackemu/stackemu/messages"
)

// host is a supervisor tree together with the sockets at which its instances can be reached. Every process that runs
// instances has one, in the foreground as well as in the background.
type host struct {
	tree     *actors.Tree
	members  map[string]*member
	happened chan messages.Observer // what the tree tells, after the members have heard it
	done     chan struct{}
	spans    *otlp.Exporter // nil when nobody wants them
}

// newHost grows a tree for the members; nothing is started yet. The caller reads happened until the fleet is idle, and
// closes the host.
func newHost(conf config.Config, log zerolog.Logger, members ...*member) *host {
	noCoreFiles()
	policy := lifecycle.DefaultPolicy()
	if conf.Arch != runtime.GOARCH {
		policy = policy.ForForeign()
	}
	policy.ReadyTimeout, policy.WarmTimeout = conf.ReadyTimeout, conf.SnapshotReadyTimeout
	policy.RequireSnapshot = conf.RequireSnapshot
	h := &host{members: map[string]*member{}, happened: make(chan messages.Observer), done: make(chan struct{})}
	for _, m := range members {
		h.members[m.name] = m
	}
	h.tree = actors.Start(actors.Options{World: servedWorld{actors.RealWorld(conf, log), h.members, log}, Puller: puller(conf),
		Policy: policy, Log: log, Observe: h.observe})
	for _, m := range members {
		m.tree = h.tree
	}
	h.spans = exportSpans(log, members)
	return h
}

// observe is called by the tree, for one thing at a time.
func (h *host) observe(o messages.Observer) {
	if m := h.members[instanceOf(o)]; m != nil {
		m.observe(o)
	}
	select {
	case h.happened <- o:
	case <-h.done:
	}
}

func instanceOf(o messages.Observer) string {
	if ran, ok := o.(*messages.GuestRan); ok {
		return ran.Instance
	}
	instance, _, _ := eventOf(o)
	return instance
}

const (
	// closeTimeout is for actors that have nothing left to do.
	closeTimeout = 30 * time.Second
	// farewell is for readers of events that have not read the last ones yet, and for a collector of spans.
	farewell = 2 * time.Second
)

// close ends what still runs, and waits until nothing is left.
func (h *host) close() error {
	close(h.done)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := h.tree.Close(ctx)
	ctx, cancel = context.WithTimeout(context.Background(), farewell)
	defer cancel()
	h.spans.Close(ctx)
	for _, m := range h.members {
		err = errors.Join(err, m.close(ctx))
	}
	return err
}

// servedWorld is the real world of several instances, each with its own configuration, and each with a socket as long as
// it is held.
type servedWorld struct {
	actors.World // what they share
	members      map[string]*member
	log          zerolog.Logger
}

func (w servedWorld) Open(ctx context.Context, name string) (actors.Instance, error) {
	m := w.members[name]
	i, err := actors.RealWorld(m.conf, w.log).Open(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := m.serve(); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return servedInstance{i, m}, nil
}

type servedInstance struct {
	actors.Instance
	member *member
}

// Close gives the instance back. Nobody who finds the socket may find an instance that is not held any more.
func (i servedInstance) Close() error { return errors.Join(i.member.hide(), i.Instance.Close()) }
