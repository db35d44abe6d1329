package status

import (
	"slices"
	"time"
)

// New is an instance whose start has been asked for and that has not done anything yet.
func New(instance string) Status {
	return Status{Instance: instance, State: "absent", Services: []Service{}}
}

// Apply returns the status after an event. It does not change what it was given. An event that is in the status already is
// ignored, so that a client may ask for the status and for the events in any order.
func Apply(s Status, e Event) Status {
	if e.Seq != 0 && e.Seq <= s.Seq {
		return s
	}
	s.Seq, s.Services = e.Seq, slices.Clone(s.Services)
	switch e.Kind {
	case StateEntered:
		s = entered(s, e)
	case Progressed:
		s.Progress = e.Progress
	case ServiceChanged:
		if n := slices.IndexFunc(s.Services, func(x Service) bool { return x.Name == e.Service }); n >= 0 {
			s.Services[n].Healthy, s.Services[n].Detail = e.Healthy, e.Detail
		}
	case DiskChanged:
		s.DiskFull = e.DiskFull
	case Noted:
		if s.ReadyAt.IsZero() { // what is told on the way is why it took that way
			s.Why = e.Text
		}
	case Ended:
		s.State, s.Since, s.Cause, s.DiskFull, s.Progress = e.State, e.Time, e.Cause, false, nil
		s = unwell(s)
	}
	s.Healthy = s.State == Ready && !s.DiskFull && !slices.ContainsFunc(s.Services, func(x Service) bool { return !x.Healthy })
	return s
}

func entered(s Status, e Event) Status {
	lost := e.State == "preparing" && s.Lasted()
	s.State, s.Since, s.Progress = e.State, e.Time, nil
	s.Stopping = e.State == "stopping" || e.State == "saving" && e.From != "capturing"
	if e.Cause != "" {
		s.Cause = e.Cause
	}
	switch e.State {
	case "preparing", "draining", "stopping": // nothing answers yet, or any more
		s = unwell(s)
		s.DiskFull = s.DiskFull && e.State == "stopping"
	case "cold-booting", "resuming", "adopting", "refreshing", "probing", Ready:
		s.Services = known(e.Services, s.Services)
	}
	switch {
	case e.State == Ready:
		s.ReadyAt, s.ElapsedMS, s.How, s.Snapshot = e.Time, e.Time.Sub(s.Started).Milliseconds(), e.How, e.Snapshot
		if !e.Adopted.IsZero() { // it goes on being ready
			s.ReadyAt = e.Adopted
		}
	case lost: // the clock starts anew, and what was lost is why
		s.Started, s.ReadyAt, s.ElapsedMS, s.How, s.Snapshot, s.Why = e.Time, time.Time{}, 0, "", "", s.Cause
	case s.Started.IsZero():
		s.Started = e.Time.Add(-time.Duration(e.ElapsedMS) * time.Millisecond)
	}
	return s
}

// known are services in their new order, with what is known of their health.
func known(now []Place, before []Service) []Service {
	all := make([]Service, len(now))
	for n, place := range now {
		all[n].Place = place
		if i := slices.IndexFunc(before, func(x Service) bool { return x.Name == place.Name }); i >= 0 {
			all[n].Healthy, all[n].Detail = before[i].Healthy, before[i].Detail
		}
	}
	return all
}

func unwell(s Status) Status {
	for n := range s.Services {
		s.Services[n].Healthy, s.Services[n].Detail = false, ""
	}
	return s
}
