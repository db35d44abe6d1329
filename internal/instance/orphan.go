package instance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// How long a VM without a supervisor gets to shut its guest down, and QEMU to end after that.
const (
	orphanShutdown = 60 * time.Second
	orphanQuit     = 5 * time.Second
)

// endOrphan ends a VM whose supervisor died without it (kill -9, out of memory). Its guest is asked to shut down first:
// it may have data that is not on the disk yet.
func (i *Instance) endOrphan(ctx context.Context) error {
	id, err := qemu.ReadPID(i.Files.PID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && id.Alive() {
		if err := i.shutDown(ctx, id); err != nil {
			return fmt.Errorf("a VM that a former supervisor left (pid %d): %w", id.PID, err)
		}
		i.surveyed.Notes = append(i.surveyed.Notes, fmt.Sprintf("ended a VM that a former supervisor had left (pid %d)", id.PID))
	}
	return ignoreMissing(os.Remove(i.Files.PID))
}

func (i *Instance) shutDown(ctx context.Context, id qemu.Identity) error {
	i.askOrphan(ctx)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := id.Kill(); err != nil {
		return err
	}
	return awaitEnd(ctx, id)
}

// askOrphan presses the power button, then asks QEMU to quit. It returns when QEMU has hung up, or when that took too
// long: what is left is then killed.
func (i *Instance) askOrphan(ctx context.Context) {
	handshake, cancel := context.WithTimeout(ctx, orphanQuit)
	defer cancel()
	conn, err := qmp.Dial(handshake, i.Files.MonitorSock, nil)
	if err != nil {
		return // it does not listen any more
	}
	defer conn.Close()
	_ = conn.Cont(handshake) // it may have been paused to be saved; one that runs, or cannot, says so
	if !ask(ctx, conn, conn.Powerdown, orphanShutdown) {
		ask(ctx, conn, conn.Quit, orphanQuit)
	}
}

// ask gives a command and waits until QEMU hangs up because of it.
func ask(ctx context.Context, conn *qmp.Conn, command func(context.Context) error, patience time.Duration) (hungUp bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if command(ctx) != nil {
		return false
	}
	select {
	case <-conn.Done():
		return true
	case <-ctx.Done():
		return false
	}
}

// awaitEnd waits until a process that is not our child is gone. Not every system tells of that, so it is asked for.
func awaitEnd(ctx context.Context, id qemu.Identity) error {
	ctx, cancel := context.WithTimeout(ctx, orphanQuit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for id.Alive() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("was killed but does not end")
		}
	}
	return nil
}
