package view

import "strings"

// A Key is what a key of the keyboard does.
type Key struct {
	Key  string
	Does string // in a word or two
	Help string // in a sentence
}

// panel is the block as a live screen: it stays when an instance is ready, with all that a person may want to know at a glance, and
// says which keys there are.
type panel struct {
	keys []Key
	log  bool // the end of the console is shown
	help bool // what the keys do is shown
}

// logLines is how many lines of the console a panel shows of each instance, if there is room.
const logLines = 6

// Panel makes the block a live screen; keys are named in its last line. On a plain stream it does nothing.
func (v *View) Panel(keys []Key) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.live() {
		v.panel = &panel{keys: keys, log: true}
	}
}

// ToggleLog shows the end of the consoles in the panel, or no more.
func (v *View) ToggleLog() { v.change(func(p *panel) { p.log = !p.log }) }

// ToggleHelp shows in the panel what the keys do, or no more.
func (v *View) ToggleHelp() { v.change(func(p *panel) { p.help = !p.help }) }

func (v *View) change(change func(*panel)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.panel != nil {
		change(v.panel)
	}
}

// Memory tells how much memory an instance takes, in a few words. It is shown in a panel only.
func (v *View) Memory(name, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.instance(name).memory = oneLine(text)
}

// Pause removes the block and gives the cursor back, until Resume. What is told meanwhile is shown then.
func (v *View) Pause() { v.pause(true) }

// Resume draws the block again.
func (v *View) Resume() { v.pause(false) }

// pause asks the drawing goroutine to stop drawing, or to go on.
type pause struct {
	on   bool
	done chan struct{} // closed when it has
}

func (v *View) pause(on bool) {
	p := pause{on, make(chan struct{})}
	select {
	case v.pausing <- p:
		<-p.done
	case <-v.stopped: // nobody draws
	}
}

// showsLog may be asked of no panel, too.
func (p *panel) showsLog() bool { return p != nil && p.log }

// under puts the consoles and the keys below the lines about instances, as far as there is room. The keys come first.
func (p *panel) under(v *View, lines []line, height int) []line {
	keys := p.lines(v)
	room := height - len(lines) - len(keys)
	if p.log && room > 0 {
		lines = append(lines, p.consoles(v, room)...)
	}
	if len(lines)+len(keys) > height {
		lines = lines[:max(height-len(keys), 0)]
	}
	return append(lines, keys...)
}

// consoles are the last lines of all consoles, with the names before them where there are several.
func (p *panel) consoles(v *View, room int) (lines []line) {
	var with []*instance
	for _, i := range v.instances {
		if i.state != "" && len(i.serial) > 0 {
			with = append(with, i)
		}
	}
	for _, i := range with {
		part := v.console(i, min(logLines, room/len(with)))
		if len(with) > 1 {
			for n := range part {
				part[n].text = "  " + i.name + ": " + strings.TrimLeft(part[n].text, " ")
			}
		}
		lines = append(lines, part...)
	}
	return lines
}

// lines say which keys there are.
func (p *panel) lines(v *View) (lines []line) {
	if p.help {
		for _, k := range p.keys {
			lines = append(lines, line{text: "  " + k.Key + "  " + k.Help, paint: v.style.none})
		}
	}
	words := make([]string, len(p.keys))
	for n, k := range p.keys {
		words[n] = k.Key + " " + k.Does
	}
	return append(lines, line{text: strings.Join(words, "   "), paint: v.style.faint})
}
