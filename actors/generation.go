package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
)

// generation is one QEMU and the actors around it. When QEMU is lost the whole generation goes, youngest first, and the
// next one has the next number. When only a monitor, agent or prober fails, it alone gets a successor: a healthy VM is
// never restarted for the sake of its watchers.
type generation struct {
	number   int
	span     life // work and timers that belong to this generation
	children []*child

	machine Ref[messages.Machine]
	monitor Ref[messages.Monitor]
	agent   Ref[messages.Agent]

	monitorOpen bool                    // between MonitorReady and MonitorLost
	quitting    bool                    // QEMU has been asked to quit
	exit        *messages.MachineExited // not nil once QEMU is gone
	wentDown    *messages.GuestShutdown // what QMP told about that
	services    map[string]*messages.ServiceChanged
	probing     bool // the services are being asked
	draining    bool
	clearing    bool // its files are being removed
	cleared     bool // they are gone

	asking          bool   // the store has been asked, and may hold something for this generation
	granted         bool   // it is resumed from a snapshot of the store
	counting        bool   // that has failed, and the store notes it
	snapshot        string // its key
	agentOpen       bool   // the guest's agent has opened its port
	agentUp         bool   // it answers
	toolsOpen       bool   // the guest's tools have opened their port
	outdated        bool   // the guest is to be refreshed
	refreshing      bool   // and the agent has been asked to, and has not answered
	refreshFailures int
	clockOff        bool // the guest's clock is not the host's any more
	quiet           bool // the guest is ready for being saved
	rebooted        bool // the guest has restarted by itself, and was not brought up to date since
	diskFull        bool // QEMU has paused the guest because of it
	closing         bool // the emulator itself is stopping: spawn nothing
}

// child is one place in a generation. A successor of a failed actor takes the same place.
type child struct {
	kind     string
	pid      *actor.PID // nil once it is gone
	replaced bool       // its successor is arranged for
	spawns   int
	failures []time.Time
	produce  func() actor.Actor
	adopted  func(*actor.PID) // keeps the address where the emulator looks for it
}

// A watcher that fails gets a successor after a pause that grows from the first to the second, unless it has failed more
// often than maxFailures within failureWindow.
const (
	firstPause    = 50 * time.Millisecond
	longestPause  = 2 * time.Second
	maxFailures   = 3
	failureWindow = 2 * time.Minute
)

type successorDue struct {
	generation int
	child      *child
}

// cleared tells that nothing is left of a generation.
type cleared struct{ err error }

func (m *cleared) failure() error { return m.err }

func newGeneration(parent life, number int) generation {
	return generation{number: number, span: parent.nested(), services: map[string]*messages.ServiceChanged{}}
}

func (e *emulator) spawnMachine(c actor.Context) {
	self, launch := Ref[messages.Emulator]{c.Self()}, e.boot.Launch
	e.place(c, &child{kind: "machine",
		produce: func() actor.Actor { return &machine{emulator: self, launch: launch} },
		adopted: func(pid *actor.PID) { e.machine = Ref[messages.Machine]{pid} }})
}

func (e *emulator) spawnMonitor(c actor.Context) {
	self, dial := Ref[messages.Emulator]{c.Self()}, e.boot.DialMonitor
	e.place(c, &child{kind: "monitor",
		produce: func() actor.Actor { return &monitor{emulator: self, dial: dial} },
		adopted: func(pid *actor.PID) { e.monitor = Ref[messages.Monitor]{pid} }})
}

func (e *emulator) spawnAgent(c actor.Context) {
	self, dial, askTools := Ref[messages.Emulator]{c.Self()}, e.boot.DialAgent, e.boot.AskTools
	e.place(c, &child{kind: "agent",
		produce: func() actor.Actor { return &agent{emulator: self, dial: dial, askTools: askTools} },
		adopted: func(pid *actor.PID) { e.agent = Ref[messages.Agent]{pid} }})
}

func (e *emulator) spawnProber(c actor.Context) {
	e.probing = true
	self, checks, name, wall := Ref[messages.Emulator]{c.Self()}, e.boot.Checks, e.name, e.boot.Wall
	if wall == nil {
		wall = time.Now
	}
	e.place(c, &child{kind: "prober",
		produce: func() actor.Actor {
			return &prober{instance: name, emulator: self, checks: checks, clock: wallClock{now: wall}}
		},
		adopted: func(*actor.PID) {}})
}

func (e *emulator) place(c actor.Context, ch *child) {
	e.children = append(e.children, ch)
	e.spawn(c, ch)
}

// spawn fills a place. The name tells the generation, and how many have filled the place before.
func (e *emulator) spawn(c actor.Context, ch *child) {
	name := fmt.Sprintf("%s-%d", ch.kind, e.number)
	if ch.spawns > 0 {
		name = fmt.Sprintf("%s.%d", name, ch.spawns)
	}
	ch.spawns++
	pid, err := c.SpawnNamed(mk(e.name, bornBy(c, e.attemptID()), e.logs, ch.produce), name)
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", name, err)) // a name is used once: this is a bug
	}
	ch.pid, ch.replaced = pid, false
	ch.adopted(pid)
}

// HandleFailure decides about a child that has panicked or given up. The library calls it on the emulator's own
// goroutine, with the emulator's context as supervisor. Nothing is ever restarted in place.
func (e *emulator) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, who *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	c, err := s.(actor.Context), asError(reason)
	tracerOf(c).supervised(c.Self(), who, e.stateName(), err)
	s.StopChildren(who)
	if e.draining || e.closing {
		return
	}
	if e.machine.is(who) { // it could not be started, or nobody watches it any more
		e.step(c, lifecycle.Died{Err: err, Misconfigured: e.exit == nil && e.machineState.State() == lifecycle.ColdBooting})
		return
	}
	if e.monitor.is(who) {
		e.monitorClosed(c)
	}
	if e.agent.is(who) {
		e.agentUp, e.refreshing = false, false
	}
	e.replace(c, who, err)
}

// replace arranges for a successor, within the budget of the place. A child can fail twice: by what it tells, and by what it was
// doing meanwhile.
func (e *emulator) replace(c actor.Context, who *actor.PID, err error) {
	ch := e.childWith(who)
	if ch == nil || ch.replaced || e.draining {
		return
	}
	ch.replaced = true
	now := time.Now()
	for len(ch.failures) > 0 && now.Sub(ch.failures[0]) > failureWindow {
		ch.failures = ch.failures[1:]
	}
	ch.failures = append(ch.failures, now)
	if len(ch.failures) > maxFailures {
		e.step(c, lifecycle.StageFailed{Err: fmt.Errorf("%d failures in %v, the last one: %w", len(ch.failures), failureWindow, err)})
		return
	}
	pause := min(firstPause<<(len(ch.failures)-1), longestPause)
	e.span.after(c, pause, &successorDue{e.number, ch})
}

func (e *emulator) succeed(c actor.Context, m *successorDue) {
	if m.generation != e.number || e.draining || e.closing {
		return
	}
	e.spawn(c, m.child)
	if !e.agent.is(m.child.pid) {
		return
	}
	if e.agentOpen {
		e.agent.Tell(c, &messages.AgentPort{Open: true}) // its predecessor has heard it
	}
	e.reachable(c) // a question is lost with whom it was asked
}

// machineExited and monitorLost both end in settle: the exit says that QEMU is gone, and what the monitor told before its
// end says on whose wish.
func (e *emulator) machineExited(c actor.Context, m *messages.MachineExited) {
	e.exit = m
	if e.draining {
		e.drainNext(c)
		return
	}
	if !e.monitorOpen {
		e.settle(c)
	}
}

func (e *emulator) monitorLost(c actor.Context, err error) {
	sender := c.Sender()
	if !e.monitor.is(sender) {
		return // an earlier one's
	}
	c.Stop(sender)
	e.monitorClosed(c)
	if e.quitting || e.wentDown != nil {
		return // QEMU is ending as it should; should it not, the rung has a deadline
	}
	err = fmt.Errorf("monitor: %w", err)
	e.logs.census.failed(sender.Id, err) // nobody has escalated it
	e.replace(c, sender, err)
}

func (e *emulator) monitorClosed(c actor.Context) {
	e.monitorOpen = false
	if e.exit != nil {
		e.settle(c)
	}
}

var errEndedByItself = errors.New("machine: qemu ended without being asked to")

// settle tells the state machine that QEMU is gone.
func (e *emulator) settle(c actor.Context) {
	died := lifecycle.Died{Err: e.exit.Cause.Err}
	if died.Err == nil {
		died.Err = errEndedByItself
		died.PoweredOff = e.wentDown != nil && e.wentDown.ByGuest
		if e.wentDown != nil {
			died.Err = fmt.Errorf("%w (%s)", errEndedByItself, e.wentDown.Reason)
		}
	}
	died.Misconfigured = e.exit.Code > 0 && e.machineState.State() == lifecycle.ColdBooting
	e.step(c, died)
}

// drain takes the generation down: the watchers at once, then QEMU, if it still runs, then its actor.
func (e *emulator) drain(c actor.Context) {
	if !e.draining {
		e.draining = true
		e.span.end()
		if e.image.asked {
			e.downloader.Tell(c, &messages.StopPulls{})
		}
		for _, ch := range e.children {
			if ch.pid != nil && !e.machine.is(ch.pid) {
				c.Stop(ch.pid)
			}
		}
		e.forgetVacant()
	}
	e.drainNext(c)
}

func (e *emulator) drainNext(c actor.Context) {
	switch {
	case e.image.asked: // what has arrived is being kept
	case e.counting: // nothing ends before that is on the disk
	case len(e.children) == 0 && e.boot != nil && !e.cleared:
		e.clear(c)
	case len(e.children) == 0:
		e.release(c)
		e.step(c, lifecycle.Drained{})
	case len(e.children) == 1 && e.machine.is(e.children[0].pid):
		if e.exit == nil {
			e.machine.Tell(c, &messages.TerminateMachine{})
		} else {
			c.Stop(e.children[0].pid)
		}
	}
}

// clear removes the files of a generation that is gone. That takes a while where the guest's RAM is one of them.
func (e *emulator) clear(c actor.Context) {
	if e.clearing {
		return
	}
	e.clearing = true
	boot := e.boot
	e.life.run(c, func(context.Context) any { return &cleared{boot.Close()} })
}

// terminated clears the place of a child that is gone. The library tells it for every child, unasked.
func (e *emulator) terminated(c actor.Context, who *actor.PID) {
	if e.store.is(who) {
		e.store = Ref[messages.Store]{}
		if e.asking && e.boot == nil {
			e.denied(c, errNoStore)
		}
		e.failureCounted(c)
		return
	}
	if e.downloader.is(who) {
		e.downloader = Ref[messages.Downloader]{}
		if e.image.asked {
			e.pullFailed(c, errNoDownloader)
		}
		return
	}
	ch := e.childWith(who)
	if ch == nil {
		return
	}
	ch.pid = nil
	if e.draining && !e.closing {
		e.forgetVacant()
		e.drainNext(c)
	}
}

func (e *emulator) childWith(pid *actor.PID) *child {
	for _, ch := range e.children {
		if ch.pid != nil && ch.pid.Equal(pid) {
			return ch
		}
	}
	return nil
}

func (e *emulator) forgetVacant() {
	kept := e.children[:0]
	for _, ch := range e.children {
		if ch.pid != nil {
			kept = append(kept, ch)
		}
	}
	e.children = kept
}

func asError(reason any) error {
	if err, ok := reason.(error); ok {
		return err
	}
	return fmt.Errorf("panic: %v", reason)
}
