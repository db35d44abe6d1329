package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/messages"
)

// eventOf is what the tree tells, as others than the tree understand it; ok is false for what is nobody's business.
func eventOf(m messages.Observer) (instance string, e status.Event, ok bool) {
	e.Time = time.Now()
	switch m := m.(type) {
	case *messages.StateChanged:
		e.Kind, e.State, e.From, e.Attempt = status.StateEntered, m.To, m.From, m.Attempt
		e.ElapsedMS, e.How, e.Snapshot, e.Adopted, e.Cause = m.Since.Milliseconds(), hows[m.How], m.Snapshot, m.Adopted, words(m.Cause)
		for _, s := range m.Services {
			e.Services = append(e.Services, status.Place{Name: s.Name, URL: s.URL, Health: s.Health, Port: portOf(s.URL)})
		}
		return m.Instance, e, true
	case *messages.ServiceChanged:
		e.Kind, e.Service, e.Healthy, e.Detail = status.ServiceChanged, m.Service, m.Healthy, m.Detail
		return m.Instance, e, true
	case *messages.InstanceProgress:
		e.Kind = status.Progressed
		e.Progress = &status.Progress{Doing: m.Doing, Done: m.Done, Total: m.Total, Rate: m.Rate, LeftMS: m.Left.Milliseconds(), Note: m.Note}
		return m.Instance, e, true
	case *messages.DiskFull:
		e.Kind, e.DiskFull = status.DiskChanged, m.Full
		return m.Instance, e, true
	case *messages.Notice:
		e.Kind, e.Text, e.Warning = status.Noted, m.Text, m.Warning
		return m.Instance, e, true
	case *messages.InstanceEnded:
		e.Kind, e.State, e.Cause = status.Ended, m.State, words(m.Cause)
		return m.Instance, e, true
	}
	return "", status.Event{}, false
}

// hows are the ways to a ready instance, for programs.
var hows = map[string]string{
	lifecycle.Cold.String():   status.HowCold,
	lifecycle.Resume.String(): status.HowResume,
	lifecycle.Adopt.String():  status.HowAdopt,
}

func words(c messages.Cause) string {
	if c.Err == nil {
		return ""
	}
	return c.Err.Error()
}

// portOf is the port in a service's URL; 0 if it has none.
func portOf(text string) int {
	u, err := url.Parse(text)
	if err != nil {
		return 0
	}
	port, _ := strconv.Atoi(u.Port())
	return port
}
