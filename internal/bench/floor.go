package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/instance"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// floorLimit bounds all that is done with one QEMU that is driven from here.
const floorLimit = 5 * time.Minute

// driven is a QEMU with the program's own command line, disk and snapshot, and as little around it as can be: no actors, no
// health checks, no rotation.
type driven struct {
	boot    *instance.Boot
	process instance.Process
	monitor *qmp.Conn
	agent   *qga.Client
	took    time.Duration // from before exec until the agent has answered
	closers []func() error
}

func (f *folder) floor(ctx context.Context, s setup) (took time.Duration, err error) {
	err = f.drive(ctx, s, func(_ context.Context, d *driven) error {
		took = d.took
		return nil
	})
	return took, err
}

// restart tells a guest ports that its snapshot was not captured with, which makes it restart its servers, and nothing else.
func (f *folder) restart(ctx context.Context, s setup) (run, answered time.Duration, err error) {
	err = f.drive(ctx, s, func(ctx context.Context, d *driven) error {
		result, err := d.boot.Refresh(ctx, d.agent)
		if err != nil {
			return err
		}
		refreshed := time.Now()
		for _, step := range result.Steps {
			if step.Name == guestapi.StepRuntime {
				run = step.Took
			}
		}
		if run == 0 {
			return errors.New("the guest has not restarted its servers")
		}
		for _, service := range d.boot.Services() {
			if err := d.awaitHealthy(ctx, service, probeEvery); err != nil {
				return err
			}
		}
		answered = run + time.Since(refreshed)
		return nil
	})
	return run, answered, err
}

// drive resumes a snapshot, lets look look at it, and ends it.
func (f *folder) drive(ctx context.Context, s setup, look func(context.Context, *driven) error) error {
	return f.alone(ctx, s, func(ctx context.Context, d *driven, r *room) error {
		if err := d.prepare(ctx, r); err != nil {
			return err
		}
		if err := d.resume(ctx); err != nil {
			return err
		}
		return look(ctx, d)
	})
}

// alone gives do a room and a QEMU to be, and ends both.
func (f *folder) alone(ctx context.Context, s setup, do func(context.Context, *driven, *room) error) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, floorLimit, fmt.Errorf("not done within %v", floorLimit))
	defer cancel()
	r, err := f.newRoom(s)
	if err != nil {
		return err
	}
	d := &driven{closers: []func() error{r.close}}
	defer func() { err = errors.Join(err, d.close()) }()
	return do(ctx, d, r)
}

// prepare does what does not count.
func (d *driven) prepare(ctx context.Context, r *room) error {
	held, parts, err := r.survey(ctx)
	if err != nil {
		return err
	}
	d.closers = append(d.closers, held.Close)
	found, err := snapshot.Open(r.config.Folders().Snapshots).FindContext(ctx, parts, nil)
	if err != nil {
		return err
	}
	d.closers = append(d.closers, found.Close)
	files := found.Files()
	if d.boot, err = held.Prepare(ctx, instance.Choice{Resume: &files, Runtime: found.Manifest.Runtime}); err != nil {
		return err
	}
	d.closers = append(d.closers, d.boot.Close)
	return nil
}

// resume is what is measured.
func (d *driven) resume(ctx context.Context) error {
	began := time.Now()
	if err := d.launch(ctx); err != nil {
		return err
	}
	if err := d.boot.Load(ctx, d.monitor); err != nil {
		return err
	}
	if err := d.dialAgent(ctx); err != nil {
		return err
	}
	d.took = time.Since(began)
	return nil
}

func (d *driven) launch(ctx context.Context) (err error) {
	if d.process, err = d.boot.Launch(); err != nil {
		return err
	}
	d.closers = append(d.closers, d.kill)
	if d.monitor, err = d.boot.DialMonitor(ctx, func(qmp.Event) {}); err != nil {
		return err
	}
	d.closers = append(d.closers, d.monitor.Close)
	return nil
}

func (d *driven) dialAgent(ctx context.Context) (err error) {
	if d.agent, err = d.boot.DialAgent(ctx); err != nil {
		return err
	}
	d.closers = append(d.closers, d.agent.Close)
	return d.agent.Sync(ctx)
}

// probeEvery is how often a service is asked that has just been restarted.
const probeEvery = 20 * time.Millisecond

func (d *driven) awaitHealthy(ctx context.Context, s profile.Service, every time.Duration) error {
	for {
		err := d.boot.Probe(ctx, s)
		if err == nil {
			return nil
		}
		if wait(ctx, every) != nil {
			return fmt.Errorf("%s: %w", s.Name, errors.Join(context.Cause(ctx), err))
		}
	}
}

func (d *driven) kill() error {
	d.process.Kill()
	<-d.process.Done()
	return nil
}

// close undoes what was done, the last first.
func (d *driven) close() (err error) {
	for n := len(d.closers) - 1; n >= 0; n-- {
		err = errors.Join(err, d.closers[n]())
	}
	d.closers = nil
	return err
}
