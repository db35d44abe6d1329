package actors

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/tracetest"
	"github.com/stackemu/stackemu/messages"
)

// A start without an image has one pulled, and then goes on as every other.
func TestPullThenColdStart(t *testing.T) {
	stage(t, &fakeWorld{bootFor: 15 * time.Second, puller: &fakePuller{}}, func(p *play) {
		p.up()
		p.story("preparing", "pulling", "notice: there is no image yet: pulls the latest one of stack-auth/stack-auth", "downloading 0/2", "downloading 1/2",
			"notice: pulled the image, 21 MB, from a", "preparing", "notice: slow, but works", "cold-booting", "refreshing", "probing", "backend healthy", "dashboard healthy", "ready")
		golden(t, "first-pull", tracetest.Story(p.entries(), emulatorPath, "cold-booting"))
	})
}

// A capture that was asked for needs an image, too.
func TestPullThenCapture(t *testing.T) {
	stage(t, &fakeWorld{warm: true, puller: &fakePuller{}}, func(p *play) {
		p.tree.Tell(&messages.CaptureSnapshot{})
		if end := p.end(); end.State != "stopped" || end.Cause.Err != nil || p.world.puller.pulls != 1 {
			t.Errorf("%s after %d pulls: %v", end.State, p.world.puller.pulls, end.Cause.Err)
		}
	})
}

func TestStartsThatCannotPull(t *testing.T) {
	for _, c := range []struct {
		name   string
		puller *fakePuller
		break_ func(p *play)
		cause  string // how the last word begins
	}{
		{"the network is not there", &fakePuller{err: errors.New("boom")}, func(*play) {}, "default: pull: boom\n"},
		{"the transfer fails", &fakePuller{panics: true}, func(*play) {}, "default: pull: " + errTransferLost.Error()},
		{"the downloader ends", &fakePuller{}, func(p *play) {
			p.until("downloading")
			p.tree.system.Root.Stop(actor.NewPID(p.tree.system.Address(), "fleet/_downloader"))
		}, "default: pull: " + errNoDownloader.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			stage(t, &fakeWorld{puller: c.puller}, func(p *play) {
				p.tree.Tell(&messages.StartInstance{Instance: "default"})
				c.break_(p)
				end := p.end()
				if err := end.Cause.Err; end.State != "failed" || !errors.Is(err, ErrNotPulled) || !strings.HasPrefix(err.Error(), c.cause) {
					t.Errorf("ended %s: %v", end.State, err)
				}
				if c.puller.pulls != 1 || len(p.world.machines) != 0 {
					t.Errorf("%d pulls, %d machines", c.puller.pulls, len(p.world.machines))
				}
			})
		})
	}
}

// Instances share a pull, and it goes on as long as one of them wants it.
func TestStopOfOneOfTwoThatPull(t *testing.T) {
	stage(t, &fakeWorld{puller: &fakePuller{}}, func(p *play) {
		p.tree.Tell(&messages.StartInstance{Instance: "a"})
		p.until("downloading")
		p.tree.Tell(&messages.StartInstance{Instance: "b"})
		p.until("downloading 1/2")
		p.forget()
		p.tree.Tell(&messages.StopInstance{Instance: "a"})
		p.until("stopped")
		p.story("stopping", "stopped")
		p.until("ready")
		p.tree.Tell(&messages.StopInstances{})
		if end := p.end(); end.Instance != "b" || end.State != "stopped" || p.world.puller.pulls != 1 {
			t.Errorf("%s %s after %d pulls", end.Instance, end.State, p.world.puller.pulls)
		}
	})
}

// After a stop the next start pulls what is left: the downloader has forgotten nobody.
func TestStopAndStartWhilePulling(t *testing.T) {
	stage(t, &fakeWorld{puller: &fakePuller{}}, func(p *play) {
		for range 2 {
			p.tree.Tell(&messages.StartInstance{Instance: "default"})
			p.until("downloading")
			began := time.Now()
			p.tree.Tell(&messages.StopInstances{})
			if end := p.end(); end.State != "stopped" || end.Cause.Err != nil || time.Since(began) > time.Second {
				t.Errorf("%s after %v: %v", end.State, time.Since(began), end.Cause.Err)
			}
			p.forget()
		}
		p.up()
		if p.world.puller.pulls != 3 {
			t.Errorf("%d pulls", p.world.puller.pulls)
		}
	})
}

// A snapshot that is being unpacked is told about once that takes long, and then once a second.
func TestLongWorkIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		began := time.Now()
		progress := longWork(func(done, total int64) { told = append(told, fmt.Sprintf("%v %d/%d", time.Since(began), done, total)) })
		for n := range int64(50) {
			progress(n, 50)
			time.Sleep(100 * time.Millisecond)
		}
		if got := strings.Join(told, ", "); got != "2.1s 21/50, 3.2s 32/50, 4.3s 43/50" {
			t.Errorf("told %s", got)
		}
	})
}

// It is told while the instance waits for the snapshot, and not after.
func TestUnpackingIsTold(t *testing.T) {
	stage(t, &fakeWorld{prepareFor: time.Minute}, func(p *play) {
		unpacking := func() {
			p.tree.system.Root.Send(actor.NewPID(p.tree.system.Address(), emulatorPath), &messages.SnapshotUnpacking{Done: 1, Total: 4})
		}
		p.tree.Tell(&messages.StartInstance{Instance: "default"})
		p.until("preparing")
		unpacking()
		p.until("unpacking the snapshot 1/4")
		p.until("ready")
		unpacking()
		time.Sleep(time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := strings.Count(strings.Join(p.heard, "\n"), "unpacking"); n != 1 {
			t.Errorf("heard %d times", n)
		}
	})
}
