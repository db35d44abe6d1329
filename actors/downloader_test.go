package actors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
)

// fakePuller pulls in two steps of a second each.
type fakePuller struct {
	mu     sync.Mutex
	pulls  int
	err    error
	panics bool
	has    atomic.Bool // it has brought one
}

func (p *fakePuller) Pull(ctx context.Context, r image.Request, tell func(image.Progress)) (image.Result, error) {
	p.mu.Lock()
	p.pulls++
	p.mu.Unlock()
	for n := range 2 {
		tell(image.Progress{Phase: image.Downloading, Progress: download.Progress{Done: int64(n), Total: 2}})
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return image.Result{}, context.Cause(ctx)
		}
	}
	if p.panics {
		panic("injected")
	}
	if p.err != nil {
		return image.Result{}, p.err
	}
	p.has.Store(true)
	return image.Result{Path: "/images/x", From: r.Tag, Size: 21e6}, nil
}

// pulls is a tree with a fake puller, what its observer has heard, and its message log.
type pulls struct {
	*testing.T
	tree  *Tree
	mu    sync.Mutex
	heard []string
	log   bytes.Buffer
}

func pullStage(t *testing.T, puller *fakePuller, story func(p *pulls)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := &pulls{T: t}
		log := zerolog.New(zerolog.SyncWriter(&p.log)).Level(zerolog.TraceLevel)
		p.tree = Start(Options{World: &fakeWorld{dir: dir}, Puller: puller, Policy: lifecycle.DefaultPolicy(), Log: log, RunID: "run", Observe: p.observe})
		story(p)
		if err := p.tree.Close(context.Background()); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second) // the library's dead-letter throttle ends by itself after one
		synctest.Wait()
	})
}

func (p *pulls) observe(m messages.Observer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m := m.(type) {
	case *messages.PullProgress:
		p.heard = append(p.heard, fmt.Sprintf("%s %d/%d", m.Phase, m.Done, m.Total))
	case *messages.ImagePulled:
		p.heard = append(p.heard, "pulled "+m.Result.From)
	case *messages.PullFailed:
		p.heard = append(p.heard, "failed: "+m.Cause.Err.Error())
	}
}

// after waits, and compares what was heard.
func (p *pulls) after(d time.Duration, want ...string) {
	p.Helper()
	time.Sleep(d)
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := strings.Join(p.heard, "\n"); got != strings.Join(want, "\n") {
		p.Errorf("heard\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func (p *pulls) ask(tag string) {
	p.tree.Tell(&messages.PullImage{Request: image.Request{Arch: "amd64", Tag: tag}})
}

// story is what each of the actors has received, in its order. Between actors there is none.
func (p *pulls) story(actors ...string) string {
	p.Helper()
	received := map[string]string{}
	for line := range strings.Lines(p.log.String()) {
		var e struct{ From, To, Type string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.Fatal(err)
		}
		text := "\t" + e.Type + "\n"
		if e.From != "" {
			text = "\t" + path.Base(e.From) + ": " + e.Type + "\n"
		}
		received[path.Base(e.To)] += text
	}
	story := ""
	for _, a := range actors {
		story += a + "\n" + received[a]
	}
	return story
}

func TestTraceOfAPull(t *testing.T) {
	pullStage(t, &fakePuller{}, func(p *pulls) {
		p.ask("a")
		p.after(5*time.Second, "downloading 0/2", "downloading 1/2", "pulled a")
		golden(t, "pull", p.story("_downloader", "transfer-1"))
		if log := p.log.String(); !strings.Contains(log, `"from":"fleet/_downloader/transfer-1","to":"network","type":"pull the image"`) || !strings.Contains(log, `"took_us":2000000`) {
			t.Errorf("the wait for the network is not in\n%s", log)
		}
	})
}

// Who asks for what is being fetched joins, and hears at once how it stands.
func TestPullsAreShared(t *testing.T) {
	puller := &fakePuller{}
	pullStage(t, puller, func(p *pulls) {
		p.ask("a")
		p.after(500*time.Millisecond, "downloading 0/2")
		p.ask("a")
		p.after(100*time.Millisecond, "downloading 0/2", "downloading 0/2")
		p.ask("b")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if puller.pulls != 2 {
			t.Errorf("%d pulls", puller.pulls)
		}
		if got := strings.Join(p.heard, " "); strings.Count(got, "pulled a") != 2 || strings.Count(got, "pulled b") != 1 {
			t.Errorf("heard %s", got)
		}
		p.heard = nil
		p.ask("a") // a new one
		p.after(5*time.Second, "downloading 0/2", "downloading 1/2", "pulled a")
	})
}

func TestPullFails(t *testing.T) {
	pullStage(t, &fakePuller{err: errors.New("boom")}, func(p *pulls) {
		p.ask("a")
		p.after(5*time.Second, "downloading 0/2", "downloading 1/2", "failed: boom")
	})
}

func TestPullPanics(t *testing.T) {
	puller := &fakePuller{panics: true}
	pullStage(t, puller, func(p *pulls) {
		p.ask("a")
		p.after(5*time.Second, "downloading 0/2", "downloading 1/2", "failed: "+errTransferLost.Error())
		puller.panics = false
		p.heard = nil
		p.ask("a")
		p.after(5*time.Second, "downloading 0/2", "downloading 1/2", "pulled a")
	})
}

func TestPullIsStopped(t *testing.T) {
	pullStage(t, &fakePuller{}, func(p *pulls) {
		p.ask("a")
		p.after(500*time.Millisecond, "downloading 0/2")
		p.tree.Tell(&messages.StopInstances{})
		p.after(time.Millisecond, "downloading 0/2", "failed: "+errPullStopped.Error())
	})
}

// A tree that ends takes its transfers with it.
func TestTreeEndsDuringAPull(t *testing.T) {
	pullStage(t, &fakePuller{}, func(p *pulls) {
		p.ask("a")
		p.after(500*time.Millisecond, "downloading 0/2")
	})
}
