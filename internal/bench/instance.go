package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stackemu/stackemu/internal/health"
	"github.com/stackemu/stackemu/qemu"
)

// running is the real guest: an instance that the program runs in a room.
type running struct{ *room }

// start is the start of a fresh instance.
func (f *folder) start(ctx context.Context, s setup) (guest, error) {
	r, err := f.newRoom(s)
	if err != nil {
		return nil, err
	}
	g := &running{r}
	if err := g.again(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return g, nil
}

// again starts the program. A resume that fell back to a cold boot would be measured for what it is not: it is forbidden.
func (g *running) again(ctx context.Context) error {
	args := []string{"up"}
	if !g.setup.cold {
		args = append(args, "--require-snapshot")
	}
	c, err := g.run(args...)
	if err == nil {
		err = c.awaitReady(ctx)
	}
	if err != nil {
		return fmt.Errorf("up: %w", err)
	}
	if c.captured {
		return errors.New("up: it had to capture a snapshot first")
	}
	return g.verify(ctx)
}

// verify does not take the program's word for it.
func (g *running) verify(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: readyTimeout}
	for _, s := range g.services {
		if got := health.Probe(ctx, client, s.HealthURL(), s.Codes); got.Err != nil {
			return fmt.Errorf("%s is not healthy, though it was said to be: %w", s.Name, got.Err)
		}
	}
	return nil
}

func (g *running) took() time.Duration { return g.child.at.Sub(g.child.began) }

func (g *running) memory() (memory, error) {
	id, err := qemu.ReadPID(g.pid)
	if err != nil {
		return nil, err
	}
	return memoryOf(id.PID)
}

func (g *running) supervisor() (usage, error) { return usageOf(g.child.cmd.Process.Pid) }

func (g *running) machine() (usage, error) {
	id, err := qemu.ReadPID(g.pid)
	if err != nil {
		return usage{}, err
	}
	return usageOf(id.PID)
}

func (g *running) stop(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	g.child.interrupt()
	if err := g.child.end(ctx); err != nil {
		return 0, fmt.Errorf("stop: %w", err)
	}
	return time.Since(began), nil
}

func (g *running) end() error { return g.close() }
