// Package instance makes one instance ready to run: its directory, its lock, its disks, its ports, its sockets and the
// command line of its QEMU. It starts nothing by itself but the end of a VM whose supervisor has died.
//
// It promises:
//
//   - One process at a time holds an instance. The lock dies with its holder.
//   - What the guest has written is never thrown away: an overlay stays on the very image that it was made from, also
//     when a newer image takes that one's name.
//   - No process is touched whose identity has not been checked.
package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
)

// Instance is an instance that this process holds, from [Open] to [Instance.Close].
type Instance struct {
	Files home.Instance

	config config.Config
	home   home.Home
	lock   *flock.Flock
}

// HeldError says that another process has the instance.
type HeldError struct {
	PID int // 0 when it is not known
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return "is already running in another process"
	}
	return fmt.Sprintf("is already running (its supervisor has pid %d): stop that one first", e.PID)
}

// Open makes the instance's directory and takes its lock, without waiting. It fails with a [*HeldError] when another
// process has it, and with a [*home.NameError] for a name that no instance can have.
func Open(c config.Config, name string) (*Instance, error) {
	h := c.Folders()
	files, err := h.Instance(name)
	if err != nil {
		return nil, err
	}
	if err := h.Create(); err != nil {
		return nil, err
	}
	if err := files.Create(); err != nil {
		return nil, err
	}
	lock := flock.New(files.Lock, flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !held {
		return nil, &HeldError{holder(files.Lock)}
	}
	if err := os.WriteFile(files.Lock, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), lock.Close())
	}
	return &Instance{Files: files, config: c, home: h, lock: lock}, nil
}

// holder reads the pid that the lock's holder wrote into it. It is for words only: nobody acts on it.
func holder(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// Close gives the lock back. No process of the instance may be left.
func (i *Instance) Close() error { return i.lock.Close() }

// Prepare makes everything ready for one run of QEMU. It is called again for each generation, and finds what the last one
// has left. It returns soon after ctx is done.
func (i *Instance) Prepare(ctx context.Context) (*Boot, error) {
	b := &Boot{files: i.Files}
	for _, step := range []func(context.Context, *Boot) error{
		i.endOrphan, // first: it may hold disk and ports
		i.findImage,
		i.checkPorts,
		i.findQEMU,
		i.makeDisk,
		i.writeConfig,
		i.listen,
		i.wire,
	} {
		if err := step(ctx, b); err != nil {
			return nil, errors.Join(err, b.Close())
		}
		if err := context.Cause(ctx); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}
