package actors

import (
	"slices"
	"testing"
	"time"

	"github.com/stackemu/stackemu/messages"
)

func (p *play) run(id, path string) {
	p.tree.Tell(&messages.RunInGuest{Instance: "default", ID: id, Path: path, Args: []string{"a", "b"}, Stdin: []byte("in")})
}

func TestRunInGuest(t *testing.T) {
	stage(t, &fakeWorld{bootFor: time.Second}, func(p *play) {
		p.run("0", "cat")
		p.until("0: default: is not running")
		p.up()
		p.run("1", "cat")
		p.until(`1: exit code 2, "in", "cat"`)
	})
}

// Whoever waits for a program hears of it when there is nobody left to wait for it.
func TestRunInGuestAnswersAlways(t *testing.T) {
	stage(t, &fakeWorld{bootFor: time.Second}, func(p *play) {
		p.up()
		p.run("1", "sleep")
		time.Sleep(time.Second)
		p.world.last().agentPort(false)
		time.Sleep(time.Second)
		p.run("2", "cat")
		p.until("2: default: the guest's agent is not there (it is ready)")
		p.tree.Tell(&messages.StopInstance{Instance: "default", Kill: true})
		p.end()
		if !slices.Contains(p.heard, "1: agent: the guest's agent is not there any more") {
			t.Errorf("heard %q", p.heard)
		}
	})
}

// A connection that was cut behind the agent's back costs one program, which can be run again.
func TestRunInGuestAfterACut(t *testing.T) {
	stage(t, &fakeWorld{bootFor: time.Second}, func(p *play) {
		p.up()
		p.run("1", "cut")
		p.until("1: agent: the guest's agent is not there: connection closed")
		time.Sleep(time.Second)
		p.run("2", "cat")
		p.until(`2: exit code 2, "in", "cat"`)
	})
}
