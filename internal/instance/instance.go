// Package instance makes one instance ready to run: its directory, its lock, its disks, its ports, its sockets and the
// command line of its QEMU; and it brings a guest up to date, saves it and resumes it. It starts nothing by itself but the end
// of a VM whose supervisor has died.
//
// [Instance.Survey] finds out what there is, [Instance.Prepare] makes a [Boot] of it.
//
// It promises:
//
//   - One process at a time holds an instance. The lock dies with its holder.
//   - What the guest has written is never thrown away: an overlay stays on the very image that it was made from, also
//     when a newer image takes that one's name.
//   - RAM and disk of a guest are of the same moment, or the guest boots from its disk: a saved session is used once, and
//     never after its disk has gone on without it.
//   - No process is touched whose identity has not been checked.
package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/home"
)

// Instance is an instance that this process holds, from [Open] to [Instance.Close].
type Instance struct {
	Files home.Instance

	config      config.Config
	home        home.Home
	lock        *flock.Flock
	captureOnly bool // it serves nobody: its end is a snapshot

	surveyed survey // by the last Survey, for the Prepare that follows it
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
	files, err := c.Folders().Instance(name)
	if err != nil {
		return nil, err
	}
	i, err := enter(c, files)
	if err != nil {
		return nil, err
	}
	held, err := i.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !held {
		return nil, &HeldError{holder(files.Lock)}
	}
	if i.displaced() { // by [Instance.Discard], which was at it while we came
		return nil, errors.Join(&HeldError{}, i.lock.Close())
	}
	return i, i.sign()
}

// displaced tells whether the lock that was taken is not the instance's any more.
func (i *Instance) displaced() bool {
	ours, err := i.lock.Stat()
	if err != nil {
		return false // nobody can tell; it was there a moment ago
	}
	now, err := os.Stat(i.Files.Lock)
	return err != nil || !os.SameFile(ours, now)
}

// lockPoll is how often the lock of a capture is tried.
const lockPoll = 50 * time.Millisecond

// OpenCapture is [Open] for the place where a snapshot is captured for nobody in particular. It waits until ctx is done.
func OpenCapture(ctx context.Context, c config.Config) (*Instance, error) {
	i, err := enter(c, c.Folders().Capture())
	if err != nil {
		return nil, err
	}
	i.captureOnly = true
	if _, err := i.lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return i, i.sign()
}

func enter(c config.Config, files home.Instance) (*Instance, error) {
	h := c.Folders()
	if err := h.Create(); err != nil {
		return nil, err
	}
	if err := files.Create(); err != nil {
		return nil, err
	}
	return &Instance{Files: files, config: c, home: h, lock: flock.New(files.Lock, flock.SetPermissions(0o600))}, nil
}

// sign writes into the lock who holds it.
func (i *Instance) sign() error {
	if err := os.WriteFile(i.Files.Lock, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return errors.Join(fmt.Errorf("lock: %w", err), i.lock.Close())
	}
	return nil
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

// steps runs them until one fails or ctx is done.
func steps(ctx context.Context, all ...func(context.Context) error) error {
	for _, step := range all {
		if err := step(ctx); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}
