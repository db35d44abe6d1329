package status_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/status"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// story applies events, one a second, and returns the status after the last.
func story(events ...status.Event) status.Status {
	s := status.New("default")
	for n, e := range events {
		e.Seq, e.Time = uint64(n+1), t0.Add(time.Duration(n)*time.Second)
		s = status.Apply(s, e)
	}
	return s
}

func state(name string) status.Event { return status.Event{Kind: status.StateEntered, State: name} }

func from(before, name string) status.Event {
	e := state(name)
	e.From = before
	return e
}

func because(name, cause string) status.Event {
	e := state(name)
	e.Cause = cause
	return e
}

func note(text string) status.Event { return status.Event{Kind: status.Noted, Text: text} }

func progress(doing string, done int64) status.Event {
	return status.Event{Kind: status.Progressed, Progress: &status.Progress{Doing: doing, Done: done, Total: 9}}
}

func service(name string, healthy bool) status.Event {
	return status.Event{Kind: status.ServiceChanged, Service: name, Healthy: healthy, Detail: map[bool]string{false: "status 503"}[healthy]}
}

var table = []status.Place{{Name: "dashboard", URL: "http://localhost:26700", Port: 26700}, {Name: "backend", URL: "http://localhost:26701", Port: 26701}}

func probing() status.Event {
	e := state("probing")
	e.Services = table
	return e
}

func capturing() status.Event {
	e := state("capturing")
	e.Services = table
	return e
}

func ready(how string) status.Event {
	e := state("ready")
	e.How, e.Services = how, table
	if how == "resume" {
		e.Snapshot = "abc"
	}
	return e
}

// start are the events of a start that is ready after four seconds.
func start(how string) []status.Event {
	return []status.Event{state("preparing"), probing(), service("dashboard", true), service("backend", true), ready(how)}
}

func after(events []status.Event, more ...status.Event) []status.Event {
	return append(events[:len(events):len(events)], more...)
}

// line is a status in the words of these tests.
func line(s status.Status) string {
	words := []string{s.State}
	add := func(yes bool, word string) {
		if yes {
			words = append(words, word)
		}
	}
	add(s.Healthy, "healthy")
	add(s.Stopping, "stopping!")
	add(s.How != "", s.How+" in "+(time.Duration(s.ElapsedMS)*time.Millisecond).String())
	add(s.Snapshot != "", "from "+s.Snapshot)
	for _, x := range s.Services {
		add(x.Healthy, x.Name)
		add(!x.Healthy, "no "+x.Name)
		add(x.Detail != "", x.Detail)
	}
	if s.Progress != nil {
		words = append(words, fmt.Sprintf("%s %d of %d", s.Progress.Doing, s.Progress.Done, s.Progress.Total))
	}
	add(s.Why != "", "why: "+s.Why)
	add(s.Cause != "", "cause: "+s.Cause)
	return strings.Join(words, ", ")
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []status.Event
		want   string
	}{
		{"nothing yet", nil, "absent"},
		{"preparing", start("")[:1], "preparing"},
		{"its image is pulled", []status.Event{state("preparing"), state("pulling"), progress("looking", 0), progress("downloading", 4)}, "pulling, downloading 4 of 9"},
		{"and is there", []status.Event{state("preparing"), state("pulling"), progress("downloading", 4), state("preparing")}, "preparing"},
		{"its image cannot be pulled", []status.Event{state("pulling"), progress("downloading", 4), {Kind: status.Ended, State: "failed", Cause: "no network"}}, "failed, cause: no network"},
		{"one service is there", start("")[:3], "probing, dashboard, no backend"},
		{"a cold boot", start("cold"), "ready, healthy, cold in 4s, dashboard, backend"},
		{"a resume", start("resume"), "ready, healthy, resume in 4s, from abc, dashboard, backend"},
		{"a cold boot has a reason", after([]status.Event{state("preparing"), note("no kvm"), note("the snapshot is broken")}, start("cold")[1:]...),
			"ready, healthy, cold in 6s, dashboard, backend, why: the snapshot is broken"},
		{"what is told later is no reason", after(start("cold"), note("the disk is full")), "ready, healthy, cold in 4s, dashboard, backend"},
		{"a service falls ill", after(start("cold"), service("backend", false)), "ready, cold in 4s, dashboard, no backend, status 503"},
		{"and is well again", after(start("cold"), service("backend", false), service("backend", true)), "ready, healthy, cold in 4s, dashboard, backend"},
		{"a service that nobody knows", after(start("cold"), service("cache", false)), "ready, healthy, cold in 4s, dashboard, backend"},
		{"the machine dies", after(start("resume"), because("draining", "killed by signal 9")),
			"draining, resume in 4s, from abc, no dashboard, no backend, cause: killed by signal 9"},
		{"and is started again", after(after(start("resume"), because("draining", "killed"), state("backoff")), start("cold")...),
			"ready, healthy, cold in 4s, dashboard, backend, why: killed, cause: killed"},
		{"a capture's services are nobody's business", []status.Event{state("preparing"), capturing(), service("backend", true)}, "capturing"},
		{"a capture is saved", []status.Event{state("preparing"), capturing(), from("capturing", "saving")}, "saving"},
		{"a session is saved", after(start("cold"), from("ready", "saving")), "saving, stopping!, cold in 4s, dashboard, backend"},
		{"it is shut down", after(start("cold"), from("ready", "stopping")), "stopping, stopping!, cold in 4s, no dashboard, no backend"},
		{"it has stopped", after(start("cold"), state("stopped"), status.Event{Kind: status.Ended, State: "stopped"}), "stopped, cold in 4s, no dashboard, no backend"},
		{"it has failed", []status.Event{state("preparing"), because("failed", ""), {Kind: status.Ended, State: "failed", Cause: "default: no image"}}, "failed, cause: default: no image"},
		{"an event from the future", after(start("cold"), status.Event{Kind: "weather", Text: "rain"}), "ready, healthy, cold in 4s, dashboard, backend"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := line(story(c.events...)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A client may hold a status already when the events that led to it arrive.
func TestApplyOnce(t *testing.T) {
	s := story(start("cold")...)
	old := state("preparing")
	old.Seq = 2
	if got := status.Apply(s, old); line(got) != line(s) {
		t.Errorf("got %s", line(got))
	}
}

func TestApplyChangesNothingThatItWasGiven(t *testing.T) {
	s := story(start("cold")...)
	e := service("backend", false)
	e.Seq = s.Seq + 1
	status.Apply(s, e)
	if got := line(s); got != "ready, healthy, cold in 4s, dashboard, backend" {
		t.Errorf("got %s", got)
	}
}

func TestStatusAsJSON(t *testing.T) {
	b, err := json.Marshal(status.New("default"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"instance":"default","state":"absent","healthy":false,"stopping":false,"seq":0,"services":[]}`
	if string(b) != want {
		t.Errorf("got %s\nwant %s", b, want)
	}
}

// A VM that is taken over has been ready all the time.
func TestUptimeOutlivesASupervisor(t *testing.T) {
	e := ready(status.HowAdopt)
	e.Adopted = t0.Add(-time.Hour)
	if s := story(state("preparing"), state("adopting"), probing(), e); !s.ReadyAt.Equal(e.Adopted) {
		t.Errorf("ready at %v, want %v", s.ReadyAt, e.Adopted)
	}
}
