package view

import (
	"fmt"
	"slices"
	"time"
)

// instance is what the block shows of one instance.
type instance struct {
	name     string
	state    string
	detail   string
	start    time.Time // of the instance
	entered  time.Time // into the state
	services []Service
	serial   string
	console  func() string // gives the last line for serial, unless it is nil
}

// hear notes the last line of the console. An empty one says nothing, and what was shown stays.
func (i *instance) hear(line string) {
	if line = oneLine(line); line != "" {
		i.serial = line
	}
}

// set keeps a service's row and reports whether it has become healthy, or is no longer. Notes come and go while an
// instance starts, and are for the block only.
func (i *instance) set(s Service) bool {
	n := slices.IndexFunc(i.services, func(old Service) bool { return old.Name == s.Name })
	if n < 0 {
		i.services = append(i.services, s)
		return s.Healthy
	}
	changed := i.services[n].Healthy != s.Healthy
	i.services[n] = s
	return changed
}

// instance finds an instance or begins it now.
func (v *View) instance(name string) *instance {
	name = oneLine(name)
	for _, i := range v.instances {
		if i.name == name {
			return i
		}
	}
	now := time.Now()
	i := &instance{name: name, start: now, entered: now}
	v.instances = append(v.instances, i)
	return i
}

func (v *View) remove(name string) {
	name = oneLine(name)
	v.instances = slices.DeleteFunc(v.instances, func(i *instance) bool { return i.name == name })
}

// enter puts an instance into a state. On a plain stream that is a line; on a terminal the block shows the new state,
// and the one before becomes a line that says how long it took.
func (v *View) enter(name, state string, since time.Duration, detail string) {
	i, now := v.instance(name), time.Now()
	if i.state == state && i.detail == detail {
		return
	}
	if !v.live() {
		v.permanent(stateLine(i.name, state, since, detail))
	} else if i.state != "" && i.state != state {
		took := fmt.Sprintf("%s  %-*s  took %s", i.name, stateWidth, i.state, elapsed(now.Sub(i.entered)))
		v.permanent(v.style.faint(took))
	}
	if i.state != state {
		i.entered, i.serial = now, ""
	}
	i.state, i.detail, i.start = state, detail, now.Add(-since)
}

// block is the lines of the live block, without line ends.
func (v *View) block(now time.Time) []line {
	var lines []line
	for _, i := range v.instances {
		if i.state == "" {
			continue
		}
		lines = append(lines, v.head(i, now))
		if i.state == stateReady && i.healthy() {
			continue
		}
		for _, s := range i.services {
			lines = append(lines, v.row(i, s))
		}
		if i.serial != "" && i.state != stateReady {
			lines = append(lines, line{text: "  " + i.serial, paint: v.style.faint})
		}
	}
	return lines
}

func (i *instance) healthy() bool {
	return !slices.ContainsFunc(i.services, func(s Service) bool { return !s.Healthy })
}

func (v *View) head(i *instance, now time.Time) line {
	if i.state == stateReady {
		return line{text: fmt.Sprintf("%s  %-*s  up %s", i.name, stateWidth, i.state, elapsed(now.Sub(i.entered))), paint: v.style.good}
	}
	return line{text: stateLine(i.name, i.state, now.Sub(i.start), i.detail), paint: v.style.strong}
}

func (v *View) row(i *instance, s Service) line {
	width := 0
	for _, other := range i.services {
		width = max(width, len(other.Name))
	}
	if s.Healthy {
		return line{text: fmt.Sprintf("  ✓ %-*s  %5s", width, s.Name, elapsed(s.Took)), paint: v.style.good}
	}
	return line{text: fmt.Sprintf("  … %-*s  %s", width, s.Name, s.Note), paint: v.style.none}
}
