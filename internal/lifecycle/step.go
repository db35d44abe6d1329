package lifecycle

import (
	"time"
)

// Step moves the instance on. An event that means nothing in the present state is ignored: it is late, or it is the
// second symptom of a cause that is being dealt with already.
func (i *Instance) Step(now time.Time, ev Event) []Effect {
	if i.finished {
		return nil
	}
	if stop, ok := ev.(Stop); ok {
		return i.stop(stop)
	}
	switch i.state {
	case Absent:
		if _, ok := ev.(Start); ok {
			return i.prepare()
		}
	case Preparing:
		return i.preparing(now, ev)
	case ColdBooting, Probing, Ready:
		return i.running(now, ev)
	case Draining:
		return i.draining(ev)
	case Backoff:
		if _, ok := ev.(BackoffOver); ok {
			return i.prepare()
		}
	case Stopping:
		return i.shuttingDown(ev)
	}
	return nil
}

func (i *Instance) prepare() []Effect {
	i.alive = false
	return i.enter(Preparing, Arm{i.policy.PrepareTimeout, "preparing"}, Prepare{})
}

func (i *Instance) preparing(now time.Time, ev Event) []Effect {
	switch ev := ev.(type) {
	case Prepared:
		return i.enter(ColdBooting, Arm{i.policy.BootTimeout, "QEMU's monitor"}, Boot{})
	case PrepareFailed:
		i.fatal = true
		return i.lost(now, ev.Err)
	case DeadlinePassed:
		i.fatal = true
		return i.lost(now, ev.Err)
	}
	return nil
}

// running is the life of a generation: it gets better (MonitorUp, Healthy) or it is lost.
func (i *Instance) running(now time.Time, ev Event) []Effect {
	switch ev := ev.(type) {
	case MonitorUp: // also after a restart of the monitor's actor: then it is no news
		if i.state == ColdBooting {
			return i.enter(Probing, i.awaitGuest(), Probe{})
		}
	case GuestUp: // it may be ahead of MonitorUp, and comes again when the guest's agent is restarted
		news := !i.alive
		i.alive = true
		if news && i.state == Probing {
			return []Effect{i.awaitGuest()}
		}
	case Healthy: // also after a restart of the prober
		if i.state == Probing {
			return i.enter(Ready, Disarm{})
		}
	case Died:
		if ev.PoweredOff {
			i.stopping = true
			return i.enter(Draining, Arm{i.policy.DrainTimeout, "the machine to end"}, Drain{})
		}
		i.fatal = ev.Misconfigured
		return i.lost(now, ev.Err)
	case StageFailed:
		return i.lost(now, ev.Err)
	case DeadlinePassed:
		return i.lost(now, ev.Err)
	}
	return nil
}

// awaitGuest is the deadline of what the guest owes next: a sign of life, then its services.
func (i *Instance) awaitGuest() Arm {
	if i.alive {
		return Arm{i.policy.ReadyTimeout, "the services to become healthy"}
	}
	return Arm{min(i.policy.GuestTimeout, i.policy.ReadyTimeout), "a sign of life of the guest"}
}

// lost records a lost generation and takes down what is left of it.
func (i *Instance) lost(now time.Time, cause error) []Effect {
	first := 0
	for first < len(i.deaths) && now.Sub(i.deaths[first]) >= i.policy.Window {
		first++
	}
	i.deaths = append(i.deaths[first:], now)
	i.causes = append(i.causes[first:], cause)
	return i.enter(Draining, Arm{i.policy.DrainTimeout, "the machine to end"}, Drain{})
}

// draining ends with the next generation, or with the end. A machine that outlives SIGKILL (a process stuck in the
// kernel) still holds the disk: a new generation would only fail on its lock.
func (i *Instance) draining(ev Event) []Effect {
	switch ev := ev.(type) {
	case Drained:
	case DeadlinePassed:
		i.causes = append(i.causes, ev.Err)
		return i.finish(Failed, i.failure())
	default:
		return nil
	}
	switch {
	case i.stopping:
		return i.finish(Stopped, nil)
	case i.fatal || len(i.deaths) >= i.policy.MaxDeaths:
		return i.finish(Failed, i.failure())
	}
	pause := min(i.policy.Backoff[0]<<(len(i.deaths)-1), i.policy.Backoff[1])
	return i.enter(Backoff, Disarm{}, Wait{pause})
}

func (i *Instance) stop(ev Stop) []Effect {
	again := i.stopping
	i.stopping = true
	switch i.state {
	case Absent:
		return i.finish(Stopped, nil)
	case Preparing, Backoff, ColdBooting: // no guest that could lose anything has run yet
		return i.enter(Stopping, i.cutOff()...)
	case Probing, Ready:
		if ev.Kill {
			i.unclean = true
			return i.enter(Stopping, i.cutOff()...)
		}
		return i.enter(Stopping, i.climb(RungAgent)...)
	case Stopping:
		if ev.Kill && again && i.rung != RungKill {
			i.unclean = true
			return i.cutOff()
		}
	}
	return nil // Draining: Drained will end in Stopped
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

func (i *Instance) enter(to State, effects ...Effect) []Effect {
	from := i.state
	i.state = to
	return append([]Effect{Enter{from, to}}, effects...)
}

func (i *Instance) finish(to State, err error) []Effect {
	i.finished = true
	return i.enter(to, Disarm{}, Finish{err})
}
