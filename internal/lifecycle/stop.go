package lifecycle

import (
	"fmt"
	"time"
)

// This file is how an instance ends on its user's wish, and how a machine is saved, which a capture needs, too.

func (i *Instance) stop(ev Stop) []Effect {
	again := i.stopping
	i.stopping, i.interrupted = true, true
	switch i.state {
	case Absent:
		return i.finish(Stopped, nil)
	case Preparing, Pulling, Backoff, ColdBooting, Resuming, Capturing: // no guest that could lose anything has run yet
		return i.enter(Stopping, i.cutOff()...)
	case Adopting, Refreshing, Probing, Ready:
		switch {
		case ev.Kill:
			i.unclean = true
			return i.enter(Stopping, i.cutOff()...)
		case i.state == Ready && i.sessions:
			return i.save()
		}
		return i.enter(Stopping, i.climb(RungAgent)...)
	case Saving:
		if i.saved { // it only has to be published
			return nil
		}
		if i.way == Capture {
			return i.enter(Stopping, i.cutOff()...)
		}
		if ev.Kill && again {
			i.unclean = true
			return i.enter(Stopping, i.cutOff()...)
		}
	case Stopping:
		if ev.Kill && again && i.rung != RungKill {
			i.unclean = true
			return i.cutOff()
		}
	}
	return nil // Draining: Drained will end in Stopped
}

func (i *Instance) save() []Effect {
	return i.enter(Saving, Arm{i.policy.SaveTimeout, "saving the machine"}, Save{})
}

// saving goes on in three steps: the machine is written, QEMU ends, and what was written is published.
func (i *Instance) saving(now time.Time, ev Event) []Effect {
	switch ev := ev.(type) {
	case Saved:
		i.saved = true
		return i.climb(RungQuit)
	case Drained:
		return []Effect{Arm{i.policy.SealTimeout, "publishing what was saved"}, Seal{}}
	case Sealed:
		i.captured = i.captured || i.way == Capture
		if i.way == Capture && !i.captureOnly && !i.stopping {
			return i.prepare()
		}
		return i.finish(Stopped, nil)
	case SealFailed:
		return i.unsealed(ev.Err)
	case SaveFailed:
		return i.unsaved(now, ev.Err)
	case RungFailed:
		if i.saved && i.rung == RungQuit {
			return i.cutOff()
		}
	case Died:
		switch {
		case i.saved && i.rung == RungQuit: // as it was asked to
			return i.cutOff()
		case i.saved:
		case i.way == Capture:
			return i.failed(now, ev.Err)
		default:
			i.unclean = true
			return i.enter(Stopping, i.cutOff()...)
		}
	case StageFailed:
		if !i.saved {
			return i.unsaved(now, ev.Err)
		}
	case DeadlinePassed:
		switch {
		case i.saved && i.rung == RungQuit:
			return i.cutOff()
		case i.saved:
			return i.unsealed(ev.Err)
		}
		return i.unsaved(now, ev.Err)
	}
	return nil
}

// unsaved: a capture is given up, and an instance is shut down instead.
func (i *Instance) unsaved(now time.Time, cause error) []Effect {
	if i.way == Capture {
		return i.failed(now, cause)
	}
	return i.enter(Stopping, i.climb(RungAgent)...)
}

// unsealed: QEMU has ended, so that its disk is what is left, as after a power cut.
func (i *Instance) unsealed(cause error) []Effect {
	if i.way != Capture {
		return i.finish(Stopped, fmt.Errorf("%w: the session could not be saved: %w", ErrUnclean, cause))
	}
	return i.fallBack(cause)
}

// shuttingDown climbs the ladder until the machine is gone.
func (i *Instance) shuttingDown(ev Event) []Effect {
	switch ev := ev.(type) {
	case Died: // the answer to a rung, or to a kill
		if i.rung == RungKill {
			return nil // the drain is under way
		}
		i.unclean = i.unclean || !ev.PoweredOff
		return i.cutOff()
	case RungFailed:
		if ev.Rung == i.rung {
			return i.nextRung()
		}
	case DeadlinePassed:
		if i.rung != RungKill {
			return i.nextRung()
		}
		return i.finish(Failed, ev.Err)
	case Drained:
		return i.ended()
	}
	return nil
}

func (i *Instance) nextRung() []Effect {
	if next := i.rung + 1; next < RungKill {
		return i.climb(next)
	}
	i.unclean = true
	return i.cutOff()
}

func (i *Instance) climb(r Rung) []Effect {
	i.rung = r
	return []Effect{Arm{i.policy.RungTimeouts[r], "shutdown by " + r.String()}, Shutdown{r}}
}

func (i *Instance) cutOff() []Effect {
	i.rung = RungKill
	return []Effect{Arm{i.policy.DrainTimeout, "the machine to end"}, Drain{}}
}

func (i *Instance) ended() []Effect {
	if i.unclean {
		return i.finish(Stopped, ErrUnclean)
	}
	return i.finish(Stopped, nil)
}
