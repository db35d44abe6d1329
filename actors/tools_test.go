package actors

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackemu/stackemu/internal/toolport"
	"github.com/stackemu/stackemu/messages"
)

// A guest is brought up to date by its tools at their port, and over its agent where they are not there or come to no end. Only what
// somebody has tried costs a try.
func TestWaysOfARefresh(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		world       *fakeWorld
		calls, asks int // of the tools at their port; refreshes that were begun in the guest
		fails       bool
	}{
		"at the port":                    {&fakeWorld{}, 1, 1, false},
		"without an agent":               {&fakeWorld{}, 1, 1, false},
		"over the agent":                 {&fakeWorld{noTools: true}, 0, 1, false},
		"unheard":                        {&fakeWorld{toolsErr: fmt.Errorf("port: %w", toolport.ErrUnheard)}, 1, 1, false},
		"unheard, then one failure":      {&fakeWorld{toolsErr: toolport.ErrUnheard, refreshErr: failing(1, boom)}, 1, 2, false},
		"cut off":                        {&fakeWorld{toolsErr: boom}, 1, 1, false},
		"cut off, then a failure":        {&fakeWorld{toolsErr: boom, refreshErr: failing(1, boom)}, 1, 1, true},
		"a step fails, and then another": {&fakeWorld{refreshErr: failing(2, boom)}, 1, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := c.world
			if name == "without an agent" {
				w.mute.Store(1)
			}
			stage(t, w, func(p *play) {
				if c.fails {
					p.tree.Tell(&messages.StartInstance{Instance: "default"})
					p.until("draining (default: agent: boom)")
					return
				}
				p.up()
				m := p.world.last()
				synctest.Wait()
				if m.calls != c.calls || m.asks != c.asks {
					t.Errorf("%d calls, %d refreshes", m.calls, m.asks)
				}
				time.Sleep(time.Minute) // an agent that was mute has a successor by then
			})
		})
	}
}

// failing are refreshes of which the first n fail.
func failing(n int, err error) func(int) error {
	return func(attempt int) error {
		if attempt <= n {
			return err
		}
		return nil
	}
}
