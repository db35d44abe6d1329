package qmp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxMountTag is the longest name, in bytes, by which the guest finds a mount.
const MaxMountTag = 31

// unplugRetry is when a device is asked for again. A guest that has not read its interrupts yet (firmware, early boot)
// forgets the request; QEMU takes a second one at once with ACPI, and after 5 s where the port itself plugs (PCI Express).
const unplugRetry = time.Second

// UnplugError is a guest that has refused to let go of a device.
type UnplugError struct{ ID string }

// Error names the device.
func (e *UnplugError) Error() string { return fmt.Sprintf("the guest does not let go of %s", e.ID) }

// PlugMount plugs a directory of the host into a root port, as a virtio-9p device with an id. fsdev is the id of the
// directory (qemu.HostMount), tag the name by which the guest mounts it, bus the port's id. QEMU returns before the guest
// has seen the device. A machine with a mounted directory cannot be saved.
func (q *Conn) PlugMount(ctx context.Context, id, fsdev, tag, bus string) error {
	return q.Execute(ctx, "device_add", map[string]string{
		"driver": "virtio-9p-pci", "id": id, "fsdev": fsdev, "mount_tag": tag, "bus": bus,
	}, nil)
}

// Unplug removes a device and waits until it is gone, for which a guest must run and take part: give ctx a deadline. The
// guest has to have unmounted it. That there is no such device is no error; a refusal of the guest is an [*UnplugError].
func (q *Conn) Unplug(ctx context.Context, id string) error {
	ctx, cancel := bounded(ctx, DefaultTimeout)
	defer cancel()
	err := q.unplug(ctx, id)
	if err != nil {
		return fmt.Errorf("qmp: unplug %s: %w", id, err)
	}
	return nil
}

// unplug asks the guest until the device is gone. It asks no oftener than it must: a guest that has been asked twice may
// act on the second request when there is another device in that place.
func (q *Conn) unplug(ctx context.Context, id string) error {
	deleted, stop := q.watch("DEVICE_DELETED")
	defer stop()
	refused, stop := q.watch("DEVICE_UNPLUG_GUEST_ERROR")
	defer stop()
	retry := time.NewTicker(unplugRetry)
	defer retry.Stop()
	for {
		if gone, err := q.requestUnplug(ctx, id); gone || err != nil {
			return err
		}
		if gone, err := q.awaitUnplug(ctx, id, deleted, refused, retry.C); gone || err != nil {
			return err
		}
	}
}

// awaitUnplug returns false when it is time to ask again: QEMU drops events that come fast, and says of a device that is gone
// that it does not know it.
func (q *Conn) awaitUnplug(ctx context.Context, id string, deleted, refused <-chan Event, retry <-chan time.Time) (gone bool, err error) {
	for {
		select {
		case e := <-deleted:
			if e.Data["device"] == id { // others are parts of devices, and devices that went before
				return true, nil
			}
		case e := <-refused:
			if e.Data["device"] == id {
				return false, &UnplugError{id}
			}
		case <-retry:
			return false, nil
		case <-q.ended:
			return false, nil // asking gives the error
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// requestUnplug asks the guest once, by way of QEMU, to let go of a device, unless it is gone already.
func (q *Conn) requestUnplug(ctx context.Context, id string) (gone bool, err error) {
	err = q.execute(ctx, "device_del", map[string]string{"id": id}, nil)
	var refusal *Error
	if !errors.As(err, &refusal) {
		return false, err
	}
	switch {
	case refusal.Class == "DeviceNotFound":
		return true, nil
	case strings.Contains(refusal.Desc, "in the process of unplug"), strings.Contains(refusal.Desc, "guest is busy"):
		return false, nil // the request before this one is under way
	}
	return false, err
}
