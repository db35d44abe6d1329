package actors

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/messages"
)

// emulator brings one instance up, keeps it up, and takes it down.
//
// What may happen in which state, and what follows, is lifecycle.Instance: a pure state machine that this actor feeds with
// what it hears ([emulator.Receive]) and whose effects it carries out ([emulator.perform]). Read the two from top to bottom
// for the story of a start. What a start begins with is in stage.go, the image in pull.go, snapshots and sessions are in warm.go,
// and the children of a generation, their failures and their end in generation.go.
//
// Parent: the fleet. In: Launch, Shutdown, what its children tell, and the answers of store and downloader. Out: StateChanged,
// ServiceChanged, InstanceProgress, Notice, and InstanceEnded as its last word. It holds the instance's lock from its first
// preparation until it has stopped.
type emulator struct {
	life
	name  string
	runID string // names this process in correlation ids
	world World
	log   *msglog.Log
	logs  *logbook
	fleet Ref[messages.Fleet]

	store      Ref[messages.Store]
	downloader Ref[messages.Downloader]

	captureOnly  bool // its end is a snapshot: nobody is served
	machineState *lifecycle.Instance
	instance     Instance // nil until it could be opened
	boot         *Boot    // of the present generation, or of the last one; nil without one
	attempt      int
	since        time.Time // the start, or the stop, was asked for
	cause        error     // of the failure that is being dealt with
	noted        []string  // notes that the user has been told already
	image        wanted    // while there is none

	deadline   life
	deadlineID int
	generation
}

func (e *emulator) stateName() string { return e.machineState.State().String() }

// Receive turns what the emulator hears into events of its state machine.
func (e *emulator) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		e.life, e.deadline = newLife(), newLife()
	case *messages.Launch:
		e.since, e.captureOnly = time.Now(), m.CaptureOnly
		e.step(c, lifecycle.Start{CaptureOnly: m.CaptureOnly})
	case *messages.Shutdown:
		if st := e.machineState.State(); st != lifecycle.Stopping {
			e.since = time.Now()
		}
		e.step(c, lifecycle.Stop{Kill: m.Kill})

	case *surveyed:
		e.surveyed(c, m)
	case *messages.PullProgress:
		e.pullProgress(c, m)
	case *messages.ImagePulled:
		e.imagePulled(c, m.Result)
	case *messages.PullFailed:
		e.pullFailed(c, m.Cause.Err)
	case *messages.SnapshotUnpacking:
		e.unpacking(c, m)
	case *messages.CaptureAwaited:
		e.notice(c, "waits for another process that captures a snapshot")
	case *messages.SnapshotBroken:
		e.warn(c, m.Cause.Err.Error())
	case *messages.FailureCounted:
		e.failureCounted(c)
	case *messages.SnapshotGranted:
		e.snapshotGranted(c, m)
	case *messages.CaptureGranted:
		e.notice(c, e.captureReason(m.Why))
		e.prepareFrom(c, Choice{Capture: m})
	case *messages.SnapshotDenied:
		e.denied(c, m.Cause.Err)
	case *prepared:
		e.prepared(c, m)
	case *messages.MachineStarted:
		// The monitor tells when it can be talked to.
	case *messages.MonitorReady:
		e.monitorOpen = true
		e.toolsOpen = m.Tools
		e.step(c, lifecycle.MonitorUp{})
		e.agentPort(c, m.Agent)
	case *messages.AgentPort:
		e.agentPort(c, m.Open)
	case *messages.ToolsPort:
		e.toolsPort(c, m.Open)
	case *messages.AgentReady:
		e.agentReady(c)
	case *messages.StateLoaded:
		e.step(c, lifecycle.Loaded{})
	case *messages.GuestRefreshed:
		e.outdated, e.refreshing = false, false
		e.step(c, lifecycle.Refreshed{})
	case *messages.RefreshFailed:
		e.refreshFailed(c, m)
	case *messages.ClockMoved:
		e.clockMoved(c, m.By)
	case *messages.GuestClockSet:
		e.clockSet(c, m.Cause.Err)
	case *messages.PortsOpened:
		e.step(c, lifecycle.PortsOpened{})
	case *messages.ServiceChanged:
		e.serviceChanged(c, m)
	case *messages.AllHealthy:
		e.step(c, lifecycle.Healthy{})

	case *messages.RunInGuest:
		e.runInGuest(c, m)
	case *messages.GuestRan:
		e.fleet.Tell(c, m)

	case *messages.GuestQuiet:
		e.guestQuiet(c, m.Cause.Err)
	case *messages.StateSaved:
		e.step(c, lifecycle.Saved{})
	case *messages.StageFailed:
		e.stageFailed(c, m)
	case *sealed:
		e.sealed(c, m.err)
	case *messages.SnapshotPublished:
		e.snapshotPublished(c, m.Cause.Err)
	case *named:
		e.named(c, m.err)
	case *confirmed:
		e.confirmed(c, m)

	case *messages.GuestShutdown:
		e.wentDown = m
	case *messages.GuestReset:
		e.guestReset(c, m.Reason)
	case *rebootOverdue:
		e.rebootOverdue(c)
	case *messages.DiskFault:
		e.diskFault(c, m)
	case *roomDue:
		e.tryDisk(c)
	case *messages.GuestContinued:
		e.guestContinued(c, m.Running)
	case *messages.MachineExited:
		e.machineExited(c, m)
	case *messages.MonitorLost:
		e.monitorLost(c, m.Cause.Err)
	case *messages.RungRefused:
		e.step(c, lifecycle.RungFailed{Rung: rungNamed(m.Rung), Err: m.Cause.Err})

	case *deadlinePassed:
		if m.id == e.deadlineID {
			e.step(c, lifecycle.DeadlinePassed{Err: e.overdue(m.arm)})
		}
	case *backoffOver:
		e.step(c, lifecycle.BackoffOver{})
	case *successorDue:
		e.succeed(c, m)
	case *cleared:
		e.cleared = true
		e.drainNext(c)

	case *actor.Terminated:
		e.terminated(c, m.Who)
	case *actor.Stopping:
		e.closing = true
		e.end()
	case *actor.Stopped:
		e.letGo()
	}
}

// perform carries out what the state machine asks for. The cases stand in the order of a start, then of an end.
func (e *emulator) perform(c actor.Context, effect lifecycle.Effect) {
	switch f := effect.(type) {
	case lifecycle.Enter:
		e.entered(c, f)
	case lifecycle.Arm:
		e.arm(c, f)
	case lifecycle.Disarm:
		e.disarm()
	case lifecycle.Prepare:
		e.prepare(c, f)
	case lifecycle.Pull:
		e.pull(c)
	case lifecycle.Boot:
		e.spawnMachine(c)
		e.spawnMonitor(c)
		e.spawnAgent(c)
	case lifecycle.Load:
		e.monitor.Tell(c, &messages.LoadState{})
	case lifecycle.Refresh:
		e.outdated = true
		e.refresh(c)
	case lifecycle.OpenPorts:
		e.monitor.Tell(c, &messages.OpenPorts{})
	case lifecycle.Probe:
		e.spawnProber(c)
	case lifecycle.Confirm:
		e.confirm(c)
	case lifecycle.Fallback:
		e.fallback(c, f)
	case lifecycle.Wait:
		e.after(c, f.For, &backoffOver{})
	case lifecycle.Save:
		e.quietGuest(c)
	case lifecycle.Seal:
		e.seal(c)
	case lifecycle.Shutdown:
		e.shutdown(c, f.Rung)
	case lifecycle.Drain:
		e.drain(c)
	case lifecycle.Finish:
		e.fleet.Tell(c, &messages.InstanceEnded{Instance: e.name, State: e.stateName(), Cause: messages.Cause{Err: e.path(f.Err)}})
	}
}

func (e *emulator) step(c actor.Context, ev lifecycle.Event) {
	e.cause = causeOf(ev)
	effects := e.machineState.Step(time.Now(), ev)
	if slices.ContainsFunc(effects, fallsBack) {
		e.cause = nil // fallback tells it, once
	}
	for _, effect := range effects {
		e.perform(c, effect)
	}
}

func fallsBack(effect lifecycle.Effect) bool {
	f, ok := effect.(lifecycle.Fallback)
	return ok && !f.Final
}

// entered tells of a new state. Preparing begins a new attempt, with a correlation id of its own.
func (e *emulator) entered(c actor.Context, f lifecycle.Enter) {
	if f.To == lifecycle.Preparing {
		e.attempt++
		e.logs.census.again(c.Self().Id)
		setAttempt(c, e.attemptID())
	}
	changed := &messages.StateChanged{Instance: e.name, Attempt: e.attemptID(), From: f.From.String(), To: f.To.String(), Since: time.Since(e.since)}
	if f.To == lifecycle.Ready {
		changed.How, changed.Snapshot, changed.Adopted = e.boot.Way.String(), e.snapshot, e.boot.Ready
	}
	if f.To == lifecycle.Draining {
		changed.Cause = messages.Cause{Err: e.path(e.cause)}
		if e.cause != nil {
			e.logs.census.failed(c.Self().Id, e.cause)
		}
	}
	if e.boot != nil {
		changed.Services = append(changed.Services, e.boot.Services...)
	}
	e.fleet.Tell(c, changed)
}

// agentPort passes the news on. A guest that opens the port has come through its kernel's start.
func (e *emulator) agentPort(c actor.Context, open bool) {
	e.agent.Tell(c, &messages.AgentPort{Open: open})
	e.agentOpen = open
	if !open {
		e.agentUp = false
		return
	}
	e.step(c, lifecycle.GuestUp{})
}

// serviceChanged passes the news on. A service that falls ill may be ill alone, or QEMU may have stopped running the guest:
// its monitor finds out.
func (e *emulator) serviceChanged(c actor.Context, m *messages.ServiceChanged) {
	e.services[m.Service] = m
	e.fleet.Tell(c, m)
	if !m.Healthy && e.machineState.State() == lifecycle.Ready {
		e.monitor.Tell(c, &messages.AskMachine{})
	}
}

func (e *emulator) shutdown(c actor.Context, rung lifecycle.Rung) {
	switch rung {
	case lifecycle.RungAgent:
		e.agent.Tell(c, &messages.PowerOffGuest{})
	case lifecycle.RungACPI:
		e.monitor.Tell(c, &messages.PressPowerButton{})
	case lifecycle.RungQuit:
		e.quitting = true
		e.monitor.Tell(c, &messages.QuitMachine{})
	}
}

func (e *emulator) notice(c actor.Context, text string) {
	e.fleet.Tell(c, &messages.Notice{Instance: e.name, Text: text})
}

func (e *emulator) warn(c actor.Context, text string) {
	e.fleet.Tell(c, &messages.Notice{Instance: e.name, Warning: true, Text: text})
}

// path puts the instance's name before an error, so that the whole reads as one path.
func (e *emulator) path(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", e.name, err)
}

func (e *emulator) attemptID() string { return fmt.Sprintf("%s-%s-%d", e.name, e.runID, e.attempt) }

func causeOf(ev lifecycle.Event) error {
	switch ev := ev.(type) {
	case lifecycle.PrepareFailed:
		return ev.Err
	case lifecycle.PullFailed:
		return ev.Err
	case lifecycle.Died:
		return ev.Err
	case lifecycle.StageFailed:
		return ev.Err
	case lifecycle.DeadlinePassed:
		return ev.Err
	}
	return nil
}

func rungNamed(name string) lifecycle.Rung {
	for r := lifecycle.RungAgent; r < lifecycle.RungKill; r++ {
		if r.String() == name {
			return r
		}
	}
	return lifecycle.RungKill
}
