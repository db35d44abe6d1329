package instance

import (
	"context"
	"errors"
	"fmt"
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
	if err != nil || !id.Alive() {
		if err := i.endUnknown(ctx); err != nil {
			return fmt.Errorf("a VM that a former supervisor left: %w", err)
		}
		return ignoreMissing(os.Remove(i.Files.PID))
	}
	if err := i.shutDown(ctx, id); err != nil {
		return fmt.Errorf("a VM that a former supervisor left (pid %d): %w", id.PID, err)
	}
	i.surveyed.Notes = append(i.surveyed.Notes, fmt.Sprintf("ended a VM that a former supervisor had left (pid %d)", id.PID))
	return ignoreMissing(os.Remove(i.Files.PID))
}

// endUnknown ends a VM of which nobody has noted the process: its supervisor was killed before it could, or the note is lost.
// It has the instance's disk and ports, and who has them listens at the monitor's socket.
func (i *Instance) endUnknown(ctx context.Context) error {
	conn := i.dialOrphan(ctx)
	if conn == nil {
		return nil
	}
	defer conn.Close()
	askOrphan(ctx, conn)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if conn.Err() == nil {
		return errors.New("it does not end, and its process is not known (qemu.pid is damaged): end it by hand")
	}
	i.surveyed.Notes = append(i.surveyed.Notes, "ended a VM that a former supervisor had left")
	return nil
}

func (i *Instance) shutDown(ctx context.Context, id qemu.Identity) error {
	if conn := i.dialOrphan(ctx); conn != nil {
		askOrphan(ctx, conn)
		_ = conn.Close()
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := id.Kill(); err != nil {
		return err
	}
	return awaitEnd(ctx, id)
}

// dialOrphan is nil when nobody listens any more, or says nothing.
func (i *Instance) dialOrphan(ctx context.Context) *qmp.Conn {
	ctx, cancel := context.WithTimeout(ctx, orphanQuit)
	defer cancel()
	conn, err := qmp.Dial(ctx, i.Files.MonitorSock, nil)
	if err != nil {
		return nil
	}
	return conn
}

// askOrphan presses the power button, then asks QEMU to quit. It returns when QEMU has hung up, or when that took too
// long: what is left is then killed. A guest that has never run has nothing to shut down.
func askOrphan(ctx context.Context, conn *qmp.Conn) {
	soon, cancel := context.WithTimeout(ctx, orphanQuit)
	defer cancel()
	if s, err := conn.Status(soon); err == nil && (s.Status == "inmigrate" || s.Status == "prelaunch") {
		ask(ctx, conn, conn.Quit, orphanQuit)
		return
	}
	_ = conn.Cont(soon) // it may have been paused to be saved; one that runs, or cannot, says so
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
