package lifecycle

import (
	"fmt"
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
		if start, ok := ev.(Start); ok {
			i.captureOnly = start.CaptureOnly
			return i.prepare()
		}
	case Preparing:
		return i.preparing(now, ev)
	case Pulling:
		return i.pulling(now, ev)
	case Capturing, Resuming, ColdBooting, Adopting, Refreshing, Probing, Ready:
		if effects := i.better(ev); effects != nil {
			return effects
		}
		return i.worse(now, ev)
	case Saving:
		return i.saving(now, ev)
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
	i.monitored, i.alive, i.opening, i.healthy, i.saved, i.fellBack = false, false, false, false, false, false
	return i.enter(Preparing, Arm{i.policy.PrepareTimeout, "preparing"}, Prepare{Cold: i.cold, Captured: i.captured})
}

func (i *Instance) preparing(now time.Time, ev Event) []Effect {
	switch ev := ev.(type) {
	case Prepared:
		return i.launch(ev)
	case ImageMissing:
		return i.pull(now, ev.Err)
	case PrepareFailed:
		i.fatal = true
		return i.lost(now, ev.Err)
	case DeadlinePassed:
		i.fatal = true
		return i.lost(now, ev.Err)
	}
	return nil
}

// pull has an image pulled, once: one that is gone again is somebody's wish.
func (i *Instance) pull(now time.Time, missing error) []Effect {
	if i.pulled {
		i.fatal = true
		return i.lost(now, missing)
	}
	return i.enter(Pulling, Disarm{}, Pull{})
}

func (i *Instance) pulling(now time.Time, ev Event) []Effect {
	switch ev := ev.(type) {
	case Pulled:
		i.pulled = true
		return i.prepare()
	case PullFailed:
		i.fatal = true
		return i.lost(now, ev.Err)
	}
	return nil
}

func (i *Instance) launch(ev Prepared) []Effect {
	i.way, i.sessions, i.open = ev.Way, ev.Sessions, ev.Open
	if i.captureOnly && ev.Way != Capture { // there is a snapshot already
		i.stopping = true
		return i.drain()
	}
	to := map[Way]State{Cold: ColdBooting, Capture: Capturing, Resume: Resuming, Adopt: Adopting}[ev.Way]
	return i.enter(to, Arm{i.policy.BootTimeout, "QEMU's monitor"}, Boot{})
}

// better is how a generation gets on, by its state; nil for what is no news.
func (i *Instance) better(ev Event) []Effect {
	switch ev.(type) {
	case MonitorUp: // also after a restart of the monitor's actor
		i.monitored = true
	case GuestUp: // it may be ahead of MonitorUp, and comes again when the guest's agent is restarted
		i.alive = true
	}
	switch i.state {
	case Capturing:
		return i.capturing(ev)
	case Resuming:
		return i.resuming(ev)
	case ColdBooting:
		return i.coldBooting(ev)
	case Adopting:
		return i.adopting(ev)
	case Refreshing:
		return i.refreshing(ev)
	case Probing:
		return i.probing(ev)
	}
	return nil
}

func (i *Instance) capturing(ev Event) []Effect {
	switch ev.(type) {
	case MonitorUp, GuestUp:
		if i.opening { // its ports cannot be opened twice
			return nil
		}
		if i.opening = i.monitored && i.alive; i.opening {
			return []Effect{i.awaitServices(), OpenPorts{}}
		}
		return i.awaitGuest()
	case PortsOpened:
		return []Effect{Probe{}}
	case Healthy:
		return i.save()
	}
	return nil
}

func (i *Instance) resuming(ev Event) []Effect {
	switch ev.(type) {
	case MonitorUp:
		return []Effect{Arm{i.policy.LoadTimeout, "loading"}, Load{}}
	case Loaded:
		return i.refresh()
	}
	return nil
}

func (i *Instance) coldBooting(ev Event) []Effect {
	switch ev.(type) {
	case MonitorUp, GuestUp:
		if i.monitored && i.alive {
			return i.refresh()
		}
		return i.awaitGuest()
	}
	return nil
}

// adopting skips what the former supervisor has done: the guest is up to date, and its ports are open.
func (i *Instance) adopting(ev Event) []Effect {
	if _, ok := ev.(MonitorUp); ok {
		return i.enter(Probing, i.awaitServices(), Probe{})
	}
	return nil
}

func (i *Instance) refresh() []Effect {
	effects := i.enter(Refreshing, Arm{i.policy.RefreshTimeout, "bringing the guest up to date"}, Refresh{})
	if i.open {
		effects = append(effects, Probe{})
	}
	return effects
}

func (i *Instance) refreshing(ev Event) []Effect {
	switch ev.(type) {
	case Refreshed:
		return []Effect{OpenPorts{}}
	case Healthy: // ahead of the guest's answer
		i.healthy = true
	case PortsOpened:
		return i.enter(Probing, i.probe()...)
	}
	return nil
}

// probe asks the services, unless they are being asked already, and goes on at once where all have answered.
func (i *Instance) probe() []Effect {
	switch {
	case i.healthy:
		return []Effect{i.awaitServices(), Confirm{}}
	case i.open:
		return []Effect{i.awaitServices()}
	}
	return []Effect{i.awaitServices(), Probe{}}
}

func (i *Instance) probing(ev Event) []Effect {
	switch ev.(type) {
	case Healthy:
		return []Effect{Confirm{}}
	case Confirmed:
		return i.enter(Ready, Disarm{})
	}
	return nil
}

// awaitGuest gives a booting guest time for a sign of life, once QEMU has given its own.
func (i *Instance) awaitGuest() []Effect {
	if !i.monitored {
		return nil
	}
	return []Effect{Arm{min(i.policy.GuestTimeout, i.policy.ReadyTimeout), "a sign of life of the guest"}}
}

func (i *Instance) awaitServices() Arm {
	if i.way == Resume || i.way == Adopt {
		return Arm{i.policy.WarmTimeout, "the services to become healthy"}
	}
	return Arm{i.policy.ReadyTimeout, "the services to become healthy"}
}

// worse is how a generation is lost.
func (i *Instance) worse(now time.Time, ev Event) []Effect {
	switch ev := ev.(type) {
	case Died:
		if ev.PoweredOff && i.way != Capture {
			i.stopping = true
			return i.drain()
		}
		if i.mayFallBack() {
			return i.fallBack(ev.Err)
		}
		i.fatal = ev.Misconfigured
		return i.lost(now, ev.Err)
	case StageFailed:
		return i.failed(now, ev.Err)
	case DeadlinePassed:
		return i.failed(now, ev.Err)
	}
	return nil
}

func (i *Instance) failed(now time.Time, cause error) []Effect {
	if i.mayFallBack() {
		return i.fallBack(cause)
	}
	return i.lost(now, cause)
}

// mayFallBack tells whether a failure now is one of the capture or of the resume. Once an instance has been ready it is one
// of the instance; and where nothing but a capture is wanted, a guest that gives no sign of life is a boot to be tried again.
func (i *Instance) mayFallBack() bool {
	unborn := i.captureOnly && i.state == Capturing && i.monitored && !i.alive
	return i.way != Cold && i.state != Ready && !i.stopping && !unborn
}

func (i *Instance) fallBack(cause error) []Effect {
	cause = fmt.Errorf("%s: %w", i.way, cause)
	if i.policy.RequireSnapshot || i.captureOnly {
		i.fatal = true
		i.causes = append(i.causes, cause)
		return i.drain(Fallback{i.way, cause, true})
	}
	i.cold, i.fellBack = true, true
	return i.drain(Fallback{i.way, cause, false})
}

// lost records a lost generation and takes down what is left of it.
func (i *Instance) lost(now time.Time, cause error) []Effect {
	first := 0
	for first < len(i.deaths) && now.Sub(i.deaths[first]) >= i.policy.Window {
		first++
	}
	i.deaths = append(i.deaths[first:], now)
	i.causes = append(i.causes[first:], cause)
	return i.drain()
}

func (i *Instance) drain(before ...Effect) []Effect {
	effects := i.enter(Draining, Arm{i.policy.DrainTimeout, "the machine to end"})
	return append(append(effects, before...), Drain{})
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
	case i.fellBack:
		return i.prepare()
	case i.fatal || len(i.deaths) >= i.policy.MaxDeaths:
		return i.finish(Failed, i.failure())
	}
	pause := min(i.policy.Backoff[0]<<(len(i.deaths)-1), i.policy.Backoff[1])
	return i.enter(Backoff, Disarm{}, Wait{pause})
}

func (i *Instance) enter(to State, effects ...Effect) []Effect {
	from := i.state
	i.state = to
	return append([]Effect{Enter{from, to}}, effects...)
}

func (i *Instance) finish(to State, err error) []Effect {
	i.finished = true
	if i.captureOnly && i.interrupted && !i.captured && err == nil {
		err = ErrNotCaptured
	}
	return i.enter(to, Disarm{}, Finish{err})
}
