package main

import (
	"time"

	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/view"
)

// teller shows the events of instances to a person, wherever the events come from: from a tree in this process, or from the
// supervisor of an instance in the background.
type teller struct {
	screen *view.View
	began  map[string]time.Time // when the start of an instance was asked for
	states map[string]string    // of each instance
	paces  map[string]*pace     // of its long step
	quiet  bool                 // only what a person must know: lines of text, and how far what takes long is
}

func newTeller(screen *view.View) *teller {
	return &teller{screen: screen, began: map[string]time.Time{}, states: map[string]string{}, paces: map[string]*pace{}}
}

func (t *teller) tell(instance string, e status.Event) {
	elapsed := time.Duration(e.ElapsedMS) * time.Millisecond
	if _, known := t.began[instance]; !known {
		t.began[instance] = e.Time.Add(-elapsed)
	}
	switch e.Kind {
	case status.StateEntered:
		t.states[instance] = e.State
		t.state(instance, e, elapsed)
	case status.Progressed:
		t.progress(instance, e)
	case status.ServiceChanged:
		if !t.quiet {
			t.screen.Services(instance, []view.Service{{Name: e.Service, Healthy: e.Healthy, Took: e.Time.Sub(t.began[instance]), Note: e.Detail}})
		}
	case status.Noted:
		level := view.Info
		if e.Warning {
			level = view.Warn
		}
		t.screen.Line(level, instance+": "+e.Text)
	case status.Ended:
		t.screen.Gone(instance)
	}
}

func (t *teller) state(instance string, e status.Event, elapsed time.Duration) {
	if e.Cause != "" {
		t.screen.Line(view.Warn, e.Cause)
	}
	switch {
	case t.quiet:
	case e.State == status.Ready:
		t.screen.Ready(instance, elapsed, howInWords[e.How], urlsOf(e.Services))
	default:
		t.screen.State(instance, e.State, elapsed, "")
	}
}

// progress shows a long step.
func (t *teller) progress(instance string, e status.Event) {
	if t.paces[instance] == nil {
		t.paces[instance] = &pace{}
	}
	live := t.screen.Live()
	if e.Progress != nil && (live || t.paces[instance].due(*e.Progress, e.Time)) {
		t.screen.State(instance, t.states[instance], e.Time.Sub(t.began[instance]), progressInWords(*e.Progress, live))
	}
}

// howInWords is what is said of the way to a ready instance.
var howInWords = map[string]string{status.HowCold: "cold boot", status.HowResume: "resumed", status.HowAdopt: "taken over"}

func urlsOf(services []status.Place) []view.URL {
	urls := make([]view.URL, len(services))
	for n, s := range services {
		urls[n] = view.URL{Name: s.Name, URL: s.URL}
	}
	return urls
}
