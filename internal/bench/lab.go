package bench

import (
	"context"
	"time"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// lab is where the measures are taken. Tests have one without machines.
type lab interface {
	// capture makes the snapshot that guests of a setup resume, once.
	capture(ctx context.Context, s setup) error
	// start starts the program in a home of its own, and returns when its instance is ready and answers. The caller ends it.
	start(ctx context.Context, s setup) (guest, error)
	// floor starts QEMU alone, until the guest agent answers.
	floor(ctx context.Context, s setup) (time.Duration, error)
	// restart makes a guest restart its servers: until they run, and until they have answered.
	restart(ctx context.Context, s setup) (run, answered time.Duration, err error)
	// boot boots from the disk, and tells what the stages of that took, by their rows, as far as they can be told.
	boot(ctx context.Context, s setup) (map[string]time.Duration, error)
	// imageSize is the size of the image's file.
	imageSize() (int64, error)
	// unpack unpacks a packed snapshot.
	unpack(ctx context.Context, s setup) (time.Duration, error)
	// zstd lets the zstd program do the same.
	zstd(ctx context.Context, s setup) (time.Duration, error)
	// soak is a home with some instances, none of which runs yet. The caller ends it.
	soak(s setup, instances int) (soak, error)
}

// soak is a home whose instances are started and stopped again and again.
type soak interface {
	cycle(ctx context.Context) (cycle, error)
	end() error
}

// guest is a started instance.
type guest interface {
	// took is the time from before exec of the program until it said that the instance is ready.
	took() time.Duration
	memory() (memory, error)
	// supervisor is what the program itself costs.
	supervisor() (usage, error)
	// machine is what its QEMU costs.
	machine() (usage, error)
	// stop ends it as a user does, which saves the session, and tells how long that took.
	stop(ctx context.Context) (time.Duration, error)
	// again starts it once more after a stop.
	again(ctx context.Context) error
	// end ends what is running, without saving, and removes all of it.
	end() error
}

// setup is what one start differs in from another.
type setup struct {
	ramMiB int
	format snapshot.Format // "" is the program's own choice
	stale  bool            // the placeholder secrets stay: no rotation
	cold   bool            // no snapshot
	apart  bool            // on ports of its own, because there are others at the same time
	blocks bool            // on the ports that the program gives to instances, because there are several in its home
}

// snapshot is the part that decides which snapshot is resumed.
func (s setup) snapshot() setup { return setup{ramMiB: s.ramMiB, format: s.format} }

// skip is the error of what cannot be measured here, which is nobody's fault.
type skip struct{ why string }

func (s *skip) Error() string { return s.why }
