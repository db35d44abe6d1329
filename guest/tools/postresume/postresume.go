// Package postresume makes a guest what its host wants it to be, in one go: after a resume, when a guest has the clock, the
// random numbers, the ports and the secrets of the snapshot, or early in a cold boot.
//
// It is one process that starts no other, because each costs 20-130 ms under an emulated CPU. Every step may be repeated;
// one that was interrupted is put right by the next run.
package postresume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/hostfs"
	"github.com/stackemu/stackemu/guest/tools/secret"
	"github.com/stackemu/stackemu/guest/tools/services"
	"github.com/stackemu/stackemu/guest/tools/stackenv"
	"github.com/stackemu/stackemu/internal/guestapi"
)

// plugTimeout is how long a device that the host has just plugged in may be on its way.
const plugTimeout = 5 * time.Second

// Guest names the places of a guest.
type Guest struct {
	Env       stackenv.Paths
	Container container.Layout
	Random    string // the kernel's random pool
	Clock     Clock
}

// Real is the guest that this process runs in.
var Real = Guest{Env: stackenv.GuestPaths, Container: container.GuestLayout, Random: "/dev/urandom", Clock: kernelClock{}}

// Run does the steps that req asks for, in their order, up to the first that fails. A request that is not in order as a
// whole is refused before anything is touched.
func Run(ctx context.Context, g Guest, req guestapi.Request) guestapi.Result {
	if step, err := check(g, req); err != nil {
		return guestapi.Result{Steps: []guestapi.Step{{Name: step, Error: err.Error()}}}
	}
	steps := []struct {
		name   string
		wanted bool
		run    func() error
	}{
		{guestapi.StepClock, true, func() error { return setClock(g.Clock, req.Time) }},
		{guestapi.StepEntropy, len(req.Entropy) > 0, func() error { return addEntropy(g.Random, req.Entropy) }},
		{guestapi.StepRuntime, req.Runtime != nil, func() error { return g.runtime(ctx, req) }},
		{guestapi.StepMounts, len(req.Mounts) > 0, func() error { return g.mount(ctx, req.Mounts) }},
		{guestapi.StepRotation, len(req.Secrets) > 0, func() error { return Rotate(ctx, g, req.Secrets) }},
	}
	var result guestapi.Result
	for _, step := range steps {
		if !step.wanted {
			continue
		}
		start := time.Now()
		err := step.run()
		done := guestapi.Step{Name: step.name, Took: time.Since(start)}
		if err != nil {
			done.Error = err.Error()
		}
		result.Steps = append(result.Steps, done)
		if err != nil {
			break
		}
	}
	return result
}

// check returns what is wrong with req and the step that it is wrong for.
func check(g Guest, req guestapi.Request) (string, error) {
	if req.Time.IsZero() {
		return guestapi.StepClock, errors.New("the request has no time")
	}
	if req.Runtime != nil {
		if err := stackenv.CheckRuntime(req.Runtime); err != nil {
			return guestapi.StepRuntime, err
		}
	}
	taken := map[string]bool{}
	for _, mount := range req.Mounts {
		if err := hostfs.Mount(mount).Check(g.Container.HostDir); err != nil {
			return guestapi.StepMounts, err
		}
		if taken[mount.Path] {
			return guestapi.StepMounts, fmt.Errorf("two mounts on %s", mount.Path)
		}
		taken[mount.Path] = true
	}
	if len(req.Secrets) > 0 {
		return guestapi.StepRotation, secret.CheckAll(req.Secrets)
	}
	return "", nil
}

// runtime puts other values in the place of the config disk's. Services that run with the old ones are restarted; if a
// rotation follows, it is the rotation that does it.
func (g Guest) runtime(ctx context.Context, req guestapi.Request) (err error) {
	env, err := stackenv.Open(g.Env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	if err := env.SetRuntime(envfile.Vars(req.Runtime)); err != nil || len(req.Secrets) > 0 {
		return err
	}
	stale, err := env.Stale()
	if err != nil || !stale {
		return err
	}
	return restart(ctx, g, env)
}

func (g Guest) mount(ctx context.Context, mounts []guestapi.Mount) error {
	ctx, cancel := context.WithTimeout(ctx, plugTimeout)
	defer cancel()
	for _, mount := range mounts {
		if err := hostfs.Mount(mount).WhenPlugged(ctx, g.Container.HostDir); err != nil {
			return err
		}
	}
	return nil
}

// restart makes running services read the environment again. The mark goes last: a restart that fails, or does not come
// to its end, is made up for by the next run.
func restart(ctx context.Context, g Guest, env *stackenv.Guest) error {
	if err := g.Container.DropUnstarted(ctx); err != nil {
		return err
	}
	if err := services.Restart(ctx, g.Container); err != nil {
		return err
	}
	return env.MarkFresh()
}
