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
	urls     []URL                    // once it has been ready
	memory   string                   // in words
	serial   []string                 // the last lines of the console
	console  func(lines int) []string // gives them, unless it is nil
}

// hear notes the last lines of the console. None say nothing, and what was shown stays.
func (i *instance) hear(lines []string) {
	var said []string
	for _, line := range lines {
		if line = oneLine(line); line != "" {
			said = append(said, line)
		}
	}
	if len(said) > 0 {
		i.serial = said
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
		i.entered, i.serial = now, nil
	}
	if state == statePreparing { // for a machine that is yet to answer: that another one did is old news
		for n := range i.services {
			i.services[n] = Service{Name: i.services[n].Name}
		}
	}
	i.state, i.detail, i.start = state, detail, now.Add(-since)
}

// block is the lines of the live block, without line ends. height is how many there is room for.
func (v *View) block(now time.Time, height int) []line {
	var lines []line
	for _, i := range v.instances {
		if i.state == "" {
			continue
		}
		lines = append(lines, v.head(i, now))
		if v.panel == nil && i.state == stateReady && i.healthy() {
			continue
		}
		lines = append(lines, v.rows(i)...)
		if v.panel == nil && i.state != stateReady {
			lines = append(lines, v.console(i, 1)...)
		}
	}
	if v.panel == nil || len(lines) == 0 {
		return lines
	}
	return v.panel.under(v, lines, height)
}

// console is the last lines of an instance's console, count at most.
func (v *View) console(i *instance, count int) (lines []line) {
	for _, text := range i.serial[max(len(i.serial)-count, 0):] {
		lines = append(lines, line{text: "  " + text, paint: v.style.faint})
	}
	return lines
}

func (i *instance) healthy() bool {
	return !slices.ContainsFunc(i.services, func(s Service) bool { return !s.Healthy })
}

func (v *View) head(i *instance, now time.Time) line {
	if i.state == stateReady {
		text := fmt.Sprintf("%s  %-*s  up %s", i.name, stateWidth, i.state, elapsed(now.Sub(i.entered)))
		if v.panel != nil && i.memory != "" {
			text += "  " + i.memory
		}
		if v.panel != nil && !i.healthy() {
			return line{text: text, paint: v.style.bad}
		}
		return line{text: text, paint: v.style.good}
	}
	return line{text: stateLine(i.name, i.state, now.Sub(i.start), i.detail), paint: v.style.strong}
}

// rows are those of the services: until the instance is ready how far they are, and after that, in a panel, where they are.
func (v *View) rows(i *instance) (lines []line) {
	width := 0
	for _, s := range i.services {
		width = max(width, len(s.Name))
	}
	if v.panel != nil && i.state == stateReady {
		return v.places(i, width)
	}
	for _, s := range i.services {
		lines = append(lines, v.row(s, width))
	}
	return lines
}

func (v *View) row(s Service, width int) line {
	if s.Healthy {
		return line{text: fmt.Sprintf("  ✓ %-*s  %5s", width, s.Name, elapsed(s.Took)), paint: v.style.good}
	}
	return line{text: fmt.Sprintf("  … %-*s  %s", width, s.Name, s.Note), paint: v.style.none}
}

// places are the rows of a ready instance.
func (v *View) places(i *instance, width int) (lines []line) {
	for _, u := range i.urls {
		width = max(width, len(u.Name))
	}
	for _, u := range i.urls {
		n := slices.IndexFunc(i.services, func(s Service) bool { return s.Name == u.Name })
		if n >= 0 && !i.services[n].Healthy {
			lines = append(lines, line{text: fmt.Sprintf("  ✗ %-*s  %s  %s", width, u.Name, u.URL, i.services[n].Note), paint: v.style.bad})
			continue
		}
		lines = append(lines, line{text: fmt.Sprintf("  ✓ %-*s  %s", width, u.Name, u.URL), paint: v.style.none})
	}
	return lines
}
