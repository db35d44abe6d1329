package actors

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/messages"
)

// fleet keeps the instances of this process by name.
//
// In: StartInstance, CaptureSnapshot, StopInstance, StopInstances and RunInGuest from the command line, and what the emulators tell, which goes on to the observer
// as it is. It says FleetIdle when its last instance has ended. An emulator that fails itself (a bug: its children's
// failures are its own business) is stopped, QEMU included, and reported as failed. The snapshot store is the fleet's, so that
// instances share it; its names and the observer's begin with a character that no instance's name has.
type fleet struct {
	world    World
	policy   lifecycle.Policy
	runID    string
	logs     *logbook
	observe  func(messages.Observer)
	observer Ref[messages.Observer]
	store    Ref[messages.Store]

	puller     Puller // nil where no images are fetched
	downloader Ref[messages.Downloader]

	instances map[string]*member
	closing   bool
}

type member struct {
	emulator Ref[messages.Emulator]
	ended    *messages.InstanceEnded // not nil once it has said its last word
}

func (f *fleet) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		f.instances = map[string]*member{}
		observe := f.observe
		f.observer = Ref[messages.Observer]{f.spawn(c, "_observer", "", func() actor.Actor { return observer(observe) })}
		f.spawnStore(c)
		f.spawnDownloader(c)
	case *messages.PullImage:
		f.downloader.Tell(c, m)
	case *messages.StartInstance:
		f.start(c, m.Instance, &messages.Launch{})
	case *messages.CaptureSnapshot:
		f.start(c, captureName, &messages.Launch{CaptureOnly: true})
	case *messages.StopInstances:
		f.downloader.Tell(c, &messages.StopPulls{})
		for _, i := range f.instances {
			i.emulator.Tell(c, &messages.Shutdown{Kill: m.Kill})
		}
		f.idle(c)
	case *messages.StopInstance:
		if i := f.instances[m.Instance]; i != nil {
			i.emulator.Tell(c, &messages.Shutdown{Kill: m.Kill})
		}
	case *messages.RunInGuest:
		f.runInGuest(c, m)
	case *messages.InstanceEnded:
		if i := f.instances[m.Instance]; i != nil && i.ended == nil {
			i.ended = m
			c.Stop(i.emulator.pid)
		}
	case *actor.Terminated:
		f.gone(c, m.Who)
	case *actor.Stopping:
		f.closing = true
	case messages.Observer: // StateChanged, ServiceChanged, InstanceProgress, Notice, GuestRan
		f.observer.Tell(c, m)
	}
}

// captureName is what a capture for nobody in particular is called.
const captureName = "capture"

func (f *fleet) spawnStore(c actor.Context) {
	snapshots := f.world.Snapshots()
	f.store = Ref[messages.Store]{f.spawn(c, "_store", "", func() actor.Actor { return &store{snapshots: snapshots} })}
}

func (f *fleet) spawnDownloader(c actor.Context) {
	if puller, logs := f.puller, f.logs; puller != nil {
		f.downloader = Ref[messages.Downloader]{f.spawn(c, "_downloader", "", func() actor.Actor { return &downloader{puller: puller, logs: logs} })}
	}
}

func (f *fleet) start(c actor.Context, name string, launch *messages.Launch) {
	if f.instances[name] != nil || f.closing {
		return // asked for twice: the first one counts
	}
	about(c, name)
	log, logs, world, policy, runID, self := f.logs.open(name), f.logs, f.world, f.policy, f.runID, Ref[messages.Fleet]{c.Self()}
	store, downloader := f.store, f.downloader
	pid := f.spawn(c, name, name, func() actor.Actor {
		return &emulator{name: name, runID: runID, world: world, log: log, logs: logs, fleet: self, store: store, downloader: downloader,
			machineState: lifecycle.New(policy)}
	})
	f.instances[name] = &member{emulator: Ref[messages.Emulator]{pid}}
	f.instances[name].emulator.Tell(c, launch)
}

// gone passes an instance's last word on once its actor has stopped: then its lock is free and no process is left.
func (f *fleet) gone(c actor.Context, who *actor.PID) {
	for name, i := range f.instances {
		if !i.emulator.is(who) {
			continue
		}
		delete(f.instances, name)
		if i.ended == nil {
			i.ended = &messages.InstanceEnded{Instance: name, State: lifecycle.Failed.String(), Cause: messages.Cause{Err: fmt.Errorf("%s: %w", name, errEmulatorLost)}}
		}
		f.logs.close(name)
		f.observer.Tell(c, i.ended)
	}
	f.idle(c)
}

var errEmulatorLost = errors.New("its supervisor failed (this is a bug: the message log has the stack)")

func (f *fleet) idle(c actor.Context) {
	if len(f.instances) == 0 && !f.closing {
		f.observer.Tell(c, &messages.FleetIdle{})
	}
}

// HandleFailure stops what failed: see the type's comment.
func (f *fleet) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, who *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	c := s.(actor.Context)
	tracerOf(c).supervised(c.Self(), who, "", asError(reason))
	s.StopChildren(who)
}

// spawn spawns an emulator, or an actor that serves all instances.
func (f *fleet) spawn(c actor.Context, name, instance string, produce func() actor.Actor) *actor.PID {
	pid, err := c.SpawnNamed(mk(instance, bornBy(c, ""), f.logs, produce), name)
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", name, err))
	}
	return pid
}

// observer hands what happens to the program around the tree, one thing at a time. The function may block as long as it
// likes: nobody waits for it.
type observer func(messages.Observer)

func (o observer) Receive(c actor.Context) {
	if m, ok := c.Message().(messages.Observer); ok {
		o(m)
	}
}
