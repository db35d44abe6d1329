package actors

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/messages"
	"github.com/stackemu/stackemu/qemu"
)

// The census tells of those who live, what has failed in their places, and how often those were filled anew.
func TestActors(t *testing.T) {
	stage(t, &fakeWorld{}, func(p *play) {
		p.up()
		m := p.world.last()
		m.mu.Lock()
		m.hangUp()
		m.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if a := p.actor("fleet/default/monitor-1.1"); a.Restarts != 1 || a.Failure != "monitor: qmp: connection closed" || a.Mailbox != 0 {
			t.Errorf("%+v", a)
		}
		if a := p.actor("fleet/default"); a.State != "ready" || a.Restarts != 0 || a.Failure != "" {
			t.Errorf("%+v", a)
		}
		p.forget()
		m.die(&qemu.ExitError{Code: -1, Signal: syscall.SIGSEGV})
		p.until("ready")
		if a := p.actor("fleet/default"); a.Restarts != 1 || a.Failure != "machine: killed by signal segmentation fault" || a.FailedAt.IsZero() {
			t.Errorf("%+v", a)
		}
		if a := p.actor("fleet/default/machine-2"); a.Restarts != 0 {
			t.Errorf("%+v", a)
		}
		p.tree.Tell(&messages.StopInstances{})
		p.end()
		synctest.Wait()
		if all := p.tree.Actors(); len(all) != 3 { // the fleet, its observer, its store
			t.Errorf("left: %+v", all)
		}
	})
}

func (p *play) actor(path string) status.Actor {
	p.Helper()
	for _, a := range p.tree.Actors() {
		if a.Path == path {
			return a
		}
	}
	p.Fatalf("there is no %s: %+v", path, p.tree.Actors())
	return status.Actor{}
}
