package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/view"
	"github.com/stackemu/stackemu/messages"
)

// This file is what the keys of the live screen do, and what else it shows than events.

var panelKeys = []view.Key{
	{Key: "q", Does: "stop", Help: "stop, as Ctrl-C does: what the instance has become is saved"},
	{Key: "r", Does: "restart", Help: "stop, and start again from there"},
	{Key: "o", Does: "open", Help: "open the dashboard in the browser"},
	{Key: "l", Does: "log", Help: "show the end of the guest's console, or hide it"},
	{Key: "?", Does: "help", Help: "show what the keys do, or hide it"},
}

func (r *runner) pressed(key rune) {
	switch key {
	case 'q':
		if r.stopped.IsZero() || r.again { // a key that is held down is no second Ctrl-C
			r.stop()
		}
	case 'r':
		r.restart()
	case 'o':
		r.open()
	case 'l':
		r.screen.ToggleLog()
	case '?':
		r.screen.ToggleHelp()
	}
}

func (r *runner) restart() {
	if !r.stopped.IsZero() {
		return
	}
	r.stopped, r.again = time.Now(), true
	r.screen.Line(view.Info, "restarting; q or Ctrl-C stops")
	r.tree.Tell(&messages.StopInstances{})
}

// open shows the dashboard of the first instance that has one. Nobody waits for the browser.
func (r *runner) open() {
	for _, m := range r.members {
		dashboard, ok := m.feed.Status().Service(profile.Dashboard)
		if !ok {
			continue
		}
		go func() {
			if err := browse(dashboard.URL); err != nil {
				r.screen.Line(view.Warn, fmt.Sprintf("%s: open: %v: the dashboard is at %s", m.name, err, dashboard.URL))
			}
		}()
		return
	}
	r.screen.Line(view.Info, "there is no dashboard yet")
}

// memoryPause is how often it is looked how much memory the instances take. The kernel has to walk through all of it.
const memoryPause = 2 * time.Second

// watchMemory tells the screen how much memory the instances take, until done.
func watchMemory(members []*member, screen *view.View) (done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(memoryPause)
		defer tick.Stop()
		for {
			for _, m := range members {
				if vm := runningVM(m.files); vm != nil && vm.Memory != nil {
					screen.Memory(m.name, fmt.Sprintf("memory: %s private, %s shared", size(vm.Memory.Private), size(vm.Memory.Shared)))
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		all.Wait()
	}
}
