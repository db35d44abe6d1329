package qmp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Migration capabilities that the snapshot formats are made of.
const (
	ignoreShared = "x-ignore-shared" // leaves out RAM that is a shared mapping of a file
	mappedRAM    = "mapped-ram"      // every page has its fixed place in the file
	multiFD      = "multifd"         // many threads
)

// SaveLazy writes the state of a paused machine to the file at path, all but such RAM as is in a file of its own, mapped
// with share=on: that file is the other half of the snapshot. It takes some 20 ms and 1 MB. [Conn.LoadLazy] loads it.
//
// After a save the guest is paused, and can go on; only another SaveLazy or SaveMapped is refused until it has.
func (q *Conn) SaveLazy(ctx context.Context, path string) error {
	return q.save(ctx, "save without shared RAM", path, nil, func(ctx context.Context) error {
		return q.setCapabilities(ctx, ignoreShared)
	})
}

// SaveMapped writes the whole state of a paused machine, RAM too, to the file at path, by so many channels (threads) at
// once. It takes seconds; onProgress, which may be nil, is called meanwhile on the caller's goroutine. [Conn.LoadMapped]
// with as many channels loads it.
func (q *Conn) SaveMapped(ctx context.Context, path string, channels int, onProgress func(Progress)) error {
	return q.save(ctx, "save with mapped RAM", path, onProgress, func(ctx context.Context) error {
		return errors.Join(q.setCapabilities(ctx, mappedRAM, multiFD), q.setChannels(ctx, channels), q.unthrottle(ctx))
	})
}

// save is what the two have in common. When ctx ends, QEMU is told to give up, and the guest can go on.
func (q *Conn) save(ctx context.Context, what, path string, onProgress func(Progress), prepare func(context.Context) error) error {
	ctx, cancel := bounded(ctx, MigrationTimeout)
	defer cancel()
	err := q.refuseRunning(ctx)
	if err == nil {
		err = prepare(ctx)
	}
	if err == nil {
		err = q.migrate(ctx, "migrate", fileChannel(path), onProgress)
		var failure *MigrationError
		if err == nil || errors.As(err, &failure) && q.Err() == nil {
			err = errors.Join(err, q.awaitFinalized(ctx))
		}
	}
	if err != nil && ctx.Err() != nil {
		q.cancelMigration(ctx)
	}
	if err != nil {
		return fmt.Errorf("qmp: %s to %s: %w", what, path, err)
	}
	return nil
}

// finalizePoll is how often a machine is asked whether its save is behind it. There is no event for it.
const finalizePoll = 2 * time.Millisecond

// awaitFinalized waits for the moment after a save, completed or failed, from which on QEMU lets the guest go on: the event
// comes some milliseconds before it.
func (q *Conn) awaitFinalized(ctx context.Context) error {
	poll := time.NewTicker(finalizePoll)
	defer poll.Stop()
	for {
		s, err := q.status(ctx)
		if err != nil || s.Status != "finish-migrate" {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// cancelMigration ends a migration for a caller who has given up. Whether that works is of no help to the caller any more.
func (q *Conn) cancelMigration(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	_ = q.execute(ctx, "migrate_cancel", nil, nil)
}

// SaveDevices writes the state of a paused machine without any RAM to the file at path. It is for machines whose RAM is a
// private mapping, which the lazy format would write as a whole: the caller saves the private pages (package ram). It takes
// some 5 ms. [Conn.LoadDevices] loads it.
//
// The command was made for Xen, whose tools save RAM themselves too, and works with every accelerator. QEMU makes the file
// with mode 0660 less the umask: make it beforehand to have it private.
func (q *Conn) SaveDevices(ctx context.Context, path string) error {
	err := q.refuseRunning(ctx)
	if err == nil {
		// live=true would hand the disks over to another QEMU: this one could not go on.
		err = q.execute(ctx, saveDevices, map[string]any{"filename": path, "live": false}, nil)
	}
	if err != nil {
		return fmt.Errorf("qmp: save of the devices to %s: %w", path, err)
	}
	return nil
}

// saveDevices is the command that sessions need.
const saveDevices = "xen-save-devices-state"

// refuseRunning refuses a machine whose guest runs.
func (q *Conn) refuseRunning(ctx context.Context) error {
	s, err := q.status(ctx)
	if err == nil && s.Running {
		err = ErrRunning
	}
	return err
}
