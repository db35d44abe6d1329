package actors

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A guest that restarts by itself, as after a panic of its kernel, stays where it is, and is brought up to date once its agent is
// there again. It is not given up when that fails.
func TestGuestRestartsByItself(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		asks int
		last string
	}{
		"well":  {nil, 2, "notice: the guest restarts by itself (guest-reset)"},
		"badly": {errors.New("no mount"), 3, "notice: the guest could not be brought up to date after its restart: agent: no mount"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &fakeWorld{}
			w.refreshErr = func(attempt int) error {
				if attempt == 1 {
					return nil
				}
				return c.err
			}
			stage(t, w, func(p *play) {
				p.up()
				m := p.world.last()
				m.event("RESET", map[string]any{"guest": true, "reason": "guest-reset"})
				m.agentPort(false)
				time.Sleep(20 * time.Second)
				m.agentPort(true)
				time.Sleep(time.Second)
				p.until(c.last)
				synctest.Wait()
				if m.asks != c.asks || len(p.world.machines) != 1 {
					t.Errorf("%d refreshes of %d machines", m.asks, len(p.world.machines))
				}
			})
		})
	}
}

// One that does not come back gets another VM.
func TestGuestDoesNotComeBack(t *testing.T) {
	stage(t, &fakeWorld{}, func(p *play) {
		p.up()
		p.world.last().event("RESET", map[string]any{"guest": true, "reason": "guest-panic"})
		p.world.last().agentPort(false)
		p.forget()
		p.until("draining (default: the guest has restarted by itself, and has given no sign of life for 1m40s)")
		p.until("ready")
		time.Sleep(5 * time.Minute)
		if len(p.world.machines) != 2 {
			t.Errorf("%d machines", len(p.world.machines))
		}
	})
}
