package qmp

import (
	"context"
	"errors"
	"fmt"
)

// Status is whether the guest runs and, if not, why.
type Status struct {
	Running bool   `json:"running"`
	Status  string `json:"status"` // running, paused, prelaunch, inmigrate, postmigrate, shutdown, io-error, internal-error ...
}

// Status asks for the run state.
func (q *Conn) Status(ctx context.Context) (Status, error) {
	s, err := q.status(ctx)
	if err != nil {
		return s, fmt.Errorf("qmp: %w", err)
	}
	return s, nil
}

func (q *Conn) status(ctx context.Context) (s Status, err error) {
	err = q.execute(ctx, "query-status", nil, &s)
	return s, err
}

// Stop pauses the guest, in the middle of whatever it does, and brings what it has written to its disks to the host's
// files. It returns when the guest stands still; of a guest that is paused already it asks nothing.
func (q *Conn) Stop(ctx context.Context) error { return q.Execute(ctx, "stop", nil, nil) }

// Cont lets the guest go on: after a stop, a load or a save, and at first where QEMU was started with -S.
func (q *Conn) Cont(ctx context.Context) error { return q.Execute(ctx, "cont", nil, nil) }

// Powerdown presses the ACPI power button. That QEMU has taken the command says nothing about the guest: it may take its
// time, or ignore the button.
func (q *Conn) Powerdown(ctx context.Context) error {
	return q.Execute(ctx, "system_powerdown", nil, nil)
}

// Quit makes QEMU flush its disks and end. The guest is not asked. A connection that ends with the command counts as
// success, for QEMU may be gone before its answer is.
func (q *Conn) Quit(ctx context.Context) error {
	if err := q.Err(); err != nil {
		return err
	}
	err := q.Execute(ctx, "quit", nil, nil)
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// FrontendOpen reports whether the guest has opened its side of a character device, by the device's label. It tells who
// comes late what a VSERPORT_CHANGE event told before: an agent listens.
func (q *Conn) FrontendOpen(ctx context.Context, chardev string) (bool, error) {
	open, err := q.Frontends(ctx)
	if err != nil {
		return false, err
	}
	if _, known := open[chardev]; !known {
		return false, fmt.Errorf("qmp: query-chardev: no device %q", chardev)
	}
	return open[chardev], nil
}

// Frontends reports of every character device, by its label, whether the guest has opened its side.
func (q *Conn) Frontends(ctx context.Context) (map[string]bool, error) {
	var devices []struct {
		Label string `json:"label"`
		Open  bool   `json:"frontend-open"`
	}
	if err := q.Execute(ctx, "query-chardev", nil, &devices); err != nil {
		return nil, err
	}
	open := map[string]bool{}
	for _, d := range devices {
		open[d.Label] = d.Open
	}
	return open, nil
}
