package main

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/stackemu/stackemu/internal/status"
)

// notifier tells systemd how the instance is, where that has started us (sd_notify(3)). Where it has not, nothing happens.
type notifier struct {
	ready bool
	alive *time.Ticker // nil where nobody wants to know
}

func newNotifier() *notifier {
	n := &notifier{}
	if limit, err := daemon.SdWatchdogEnabled(false); err == nil && limit > 0 {
		n.alive = time.NewTicker(limit / 3)
	}
	return n
}

// beat gives a value when it is time to say that we live; never, where nobody asks.
func (n *notifier) beat() <-chan time.Time {
	if n == nil || n.alive == nil {
		return nil
	}
	return n.alive.C
}

func (n *notifier) close() {
	if n.alive != nil {
		n.alive.Stop()
	}
}

func (n *notifier) say(state string) { _, _ = daemon.SdNotify(false, state) } // systemd's own matter

// tell tells of what has happened to the instance.
func (n *notifier) tell(e status.Event) {
	if n == nil {
		return
	}
	for _, state := range n.states(e) {
		n.say(state)
	}
}

// states are the words for an event.
func (n *notifier) states(e status.Event) []string {
	switch {
	case e.Kind == status.Ended:
		return []string{daemon.SdNotifyStopping}
	case e.Kind != status.StateEntered:
		return nil
	case e.State == status.Ready && !n.ready:
		n.ready = true
		return []string{daemon.SdNotifyReady + "\nSTATUS=" + e.State}
	case e.State == "stopping" || e.State == "saving" && e.From != "capturing":
		return []string{daemon.SdNotifyStopping + "\nSTATUS=" + e.State}
	}
	return []string{"STATUS=" + e.State}
}
