// Package services restarts what depends on the environment of the stack: the servers and the periodic jobs.
//
// It is called in the guest and talks to the supervisord of the container, whose socket it reaches through the root
// directory of the container's first process. That takes no process and no namespace to enter, and unlike a socket in a
// directory that both share it cannot be one of an earlier life: it is gone with the container.
package services

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/stackemu/stackemu/guest/tools/container"
	"github.com/stackemu/stackemu/guest/tools/inforce"
	"github.com/stackemu/stackemu/guest/tools/supervisor"
)

// socket is where supervisord listens in the container (supervisord.conf).
const socket = "run/supervisor.sock"

// The programs of supervisord that read the environment.
const (
	stackApp = "stack-app"
	cronJobs = "cron-jobs"
)

// timeout bounds a restart. It takes 1 s under an emulated CPU, and longer in the middle of a boot, where the database has
// to come up first.
const timeout = time.Minute

// Restart ends the services that run, and returns when new ones have put in force what is now in the environment's files.
// Where none run, or the container is ending, there is nothing to do: they will read the files when they start.
func Restart(ctx context.Context, l container.Layout) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("stack-app has not taken the new environment within %v", timeout))
	defer cancel()
	digest, err := inforce.Digest(l.RunDir)
	if err != nil {
		return err
	}
	listener, err := inforce.Listen(l.RunDir)
	if err != nil {
		return err
	}
	defer listener.Close()
	for {
		pid, err := l.Running(ctx)
		if err != nil || pid == 0 {
			return err
		}
		// A container that ends meanwhile is followed by one that reads the new files, or by none.
		if err := restartIn(ctx, l, pid, listener, digest); !errors.Is(err, container.ErrEnded) {
			return err
		}
	}
}

func restartIn(ctx context.Context, l container.Layout, pid int, listener *inforce.Listener, digest string) error {
	ctx, release, err := container.While(ctx, pid)
	if errors.Is(err, container.ErrEnded) {
		return nil // crun has not cleared away yet what it knew of it
	}
	if err != nil {
		return err
	}
	defer release()
	client := supervisor.New(filepath.Join(l.Root(pid), socket))
	jobs := make(chan error, 1)
	go func() { jobs <- client.Restart(ctx, cronJobs) }()
	err = client.Restart(ctx, stackApp)
	if err == nil {
		err = listener.Wait(ctx, digest)
	}
	err = errors.Join(err, <-jobs)
	if errors.Is(err, supervisor.ErrEnding) {
		// supervisord is the container's first process. What it has not ended yet runs with the old environment; and when it
		// goes, its connections break off before the kernel tells of its end.
		<-ctx.Done()
	}
	switch {
	case errors.Is(context.Cause(ctx), container.ErrEnded):
		return container.ErrEnded
	case errors.Is(err, supervisor.ErrAbsent):
		return nil
	}
	return err
}
