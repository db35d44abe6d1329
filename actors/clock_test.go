package actors

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A guest whose host has slept, or was given another time, is given the time, once for each.
func TestHostClockMoves(t *testing.T) {
	stage(t, &fakeWorld{}, func(p *play) {
		p.up()
		for n, x := range []struct {
			by   time.Duration
			last string
		}{
			{3 * time.Hour, "notice: the host's clock has moved by 3h0m0s, as after a sleep: the guest is given the time"},
			{-2 * time.Minute, "notice: the host's clock has moved by -2m0s, as after a sleep: the guest is given the time"},
		} {
			p.world.wallOff.Add(int64(x.by))
			p.until(x.last)
			time.Sleep(time.Minute)
			synctest.Wait()
			if times := p.world.clocks.Load(); times != int32(n+1) {
				t.Errorf("after %v the guest was given the time %d times", x.by, times)
			}
		}
		// Somebody keeps the host's clock, and corrects it now and then.
		p.world.wallOff.Add(int64(clockTolerance) / 3)
		time.Sleep(time.Minute)
		synctest.Wait()
		if times := p.world.clocks.Load(); times != 2 {
			t.Errorf("after a correction the guest was given the time %d times", times)
		}
	})
}

// A guest whose agent is away is given the time when it is back.
func TestHostClockMovesWithoutAnAgent(t *testing.T) {
	stage(t, &fakeWorld{clockErr: errors.New("no such clock")}, func(p *play) {
		p.up()
		p.world.last().agentPort(false)
		synctest.Wait()
		p.world.wallOff.Add(int64(time.Hour))
		p.until("notice: the host's clock has moved by 1h0m0s, as after a sleep: the guest is given the time")
		time.Sleep(time.Minute)
		synctest.Wait()
		if times := p.world.clocks.Load(); times != 0 {
			t.Errorf("without an agent the guest was given the time %d times", times)
		}
		p.world.last().agentPort(true)
		p.until("notice: the guest's clock could not be set: agent: no such clock")
	})
}
