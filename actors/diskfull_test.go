package actors

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/messages"
)

// A guest that QEMU has paused because the host's disk is full goes on when there is room, and the user is told twice: not for
// every write that is tried.
func TestFullDisk(t *testing.T) {
	stage(t, &fakeWorld{}, func(p *play) {
		p.up()
		p.forget()
		p.world.full.Store(true)
		for range 3 {
			p.world.last().noSpace()
		}
		p.until("notice: the disk is full")
		time.Sleep(10 * time.Minute)
		m := p.world.last()
		m.mu.Lock()
		m.hangUp() // the monitor's successor goes on trying
		m.mu.Unlock()
		time.Sleep(time.Minute)
		p.world.full.Store(false)
		p.until("notice: there is room")
		time.Sleep(time.Minute)
		p.story("notice: the disk is full: the guest is paused until there is room (`stackemu snapshot prune` makes some)",
			"notice: there is room on the disk again: the guest goes on")
		if len(p.world.machines) != 1 {
			t.Errorf("%d machines", len(p.world.machines))
		}
	})
}

// The news of a full disk may have come while nobody listened. Then the services are ill, and QEMU is asked.
func TestFullDiskIsFoundOut(t *testing.T) {
	w := &fakeWorld{}
	w.onProbe = func(string) error {
		if w.full.Load() {
			return errors.New("no answer")
		}
		return nil
	}
	stage(t, w, func(p *play) {
		p.up()
		p.forget()
		m := p.world.last()
		m.mu.Lock()
		m.paused = true
		m.mu.Unlock()
		p.world.full.Store(true)
		p.until("notice: the disk is full")
	})
}

// A start that a full disk holds up says so when its time is over.
func TestFullDiskDuringAStart(t *testing.T) {
	w := &fakeWorld{bootFor: time.Second, onProbe: ill("backend")}
	w.full.Store(true)
	stage(t, w, func(p *play) {
		p.tree.Tell(&messages.StartInstance{Instance: "default"})
		p.until("dashboard healthy")
		p.world.last().noSpace()
		p.until("draining")
		if heard := strings.Join(p.heard, "\n"); !strings.Contains(heard, "no success within 4m0s (the disk is full): backend") {
			t.Errorf("heard\n%s", heard)
		}
		p.tree.Tell(&messages.StopInstances{Kill: true})
		p.end()
	})
}

// Any other error of the guest's disk is told, and pauses nobody.
func TestDiskError(t *testing.T) {
	stage(t, &fakeWorld{}, func(p *play) {
		p.up()
		p.forget()
		p.world.last().event("BLOCK_IO_ERROR", map[string]any{"operation": "read", "action": "report", "nospace": false})
		p.until("notice: the guest's disk had an error (read)")
	})
}
