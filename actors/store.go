package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/messages"
)

// store owns the snapshots on disk, for all instances of this process: it finds them, grants them, has them captured once and
// not twice, publishes them, and retires those that fail.
//
// Parent: the fleet. In: WantSnapshot, PublishSnapshot, ReleaseSnapshot, ResumeFailed, ResumeWorked, from emulators. Out:
// what answers these; a ResumeFailed is answered when it is on the disk, for the program may end then. What it grants is
// locked on disk until it is given back or its emulator is gone; other processes see the lock.
type store struct {
	life
	snapshots *snapshot.Store
	asked     map[string]*request // by instance
}

// request is one instance's wish, and what became of it.
type request struct {
	life
	emulator Ref[messages.Emulator]
	want     *messages.WantSnapshot
	held     *snapshot.Snapshot    // granted
	reserved *snapshot.Reservation // granted, to be captured
}

type (
	// found is what came of looking for a snapshot.
	found struct {
		request  *request
		held     *snapshot.Snapshot
		reserved *snapshot.Reservation
		why      string // there was none
		broken   error  // one was set aside on the way
		err      error
	}
	// unpacked says how far the snapshot of a request is restored.
	unpacked struct {
		request     *request
		done, total int64 // bytes
	}
	// waitedFor says that somebody else captures what a request is about.
	waitedFor struct{ request *request }
	// published is what came of publishing a capture.
	published struct {
		request *request
		held    *snapshot.Snapshot
		err     error
	}
	// judged is what came of counting a failure.
	judged struct {
		emulator Ref[messages.Emulator]
		err      error // the snapshot has failed for the last time, or could not be judged
	}
)

// Close lets go of what nobody waits for any more.
func (f *found) Close() error {
	return errors.Join(closeHeld(f.held), abandon(f.reserved))
}

func closeHeld(s *snapshot.Snapshot) error {
	if s == nil {
		return nil
	}
	return s.Close()
}

func abandon(r *snapshot.Reservation) error {
	if r == nil {
		return nil
	}
	return r.Abandon()
}

func (s *store) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *actor.Started:
		s.life, s.asked = newLife(), map[string]*request{}
	case *messages.WantSnapshot:
		s.look(c, m)
	case *unpacked:
		m.request.emulator.Tell(c, &messages.SnapshotUnpacking{Done: m.done, Total: m.total})
	case *waitedFor:
		m.request.emulator.Tell(c, &messages.CaptureAwaited{Key: m.request.want.Key})
	case *found:
		s.found(c, m)
	case *messages.PublishSnapshot:
		s.publish(c, m)
	case *published:
		s.published(c, m)
	case *messages.ResumeWorked:
		s.forgive(c, m.Instance)
	case *messages.ResumeFailed:
		s.strike(c, m)
	case *judged:
		s.judged(c, m)
	case *messages.ReleaseSnapshot:
		s.release(c, m.Instance)
	case *actor.Terminated:
		for name, r := range s.asked {
			if r.emulator.is(m.Who) {
				s.release(c, name)
			}
		}
	case *actor.Stopping:
		s.end()
		for _, r := range s.asked {
			_ = closeHeld(r.held)
			_ = abandon(r.reserved)
		}
	}
}

// look looks for the snapshot, and for the right to capture it where there is none.
func (s *store) look(c actor.Context, want *messages.WantSnapshot) {
	s.release(c, want.Instance)
	c.Watch(c.Sender())
	r := &request{life: s.nested(), emulator: Ref[messages.Emulator]{c.Sender()}, want: want}
	s.asked[want.Instance] = r
	snapshots, post := s.snapshots, poster(c)
	r.run(c, func(ctx context.Context) any {
		f := search(ctx, snapshots, want, longWork(func(done, total int64) { post(&unpacked{r, done, total}) }), func() { post(&waitedFor{r}) })
		f.request = r
		return f
	})
}

// unpackingAfter is how long a snapshot may be unpacked before that is worth a word.
const unpackingAfter = 2 * time.Second

// longWork passes on how a work gets on, now and then, once it has taken long.
func longWork(tell snapshot.Progress) snapshot.Progress {
	due := time.Now().Add(unpackingAfter)
	return func(done, total int64) {
		if now := time.Now(); now.After(due) {
			due = now.Add(tellEvery)
			tell(done, total)
		}
	}
}

func search(ctx context.Context, snapshots *snapshot.Store, want *messages.WantSnapshot, unpacking snapshot.Progress, waiting func()) *found {
	f := &found{why: "a new one is asked for"}
	reserve := snapshots.Replace
	if !want.Force {
		reserve = snapshots.Reserve
		end := span.Begin(ctx, "disk", "find and check the snapshot")
		held, err := snapshots.FindContext(ctx, want.Parts, unpacking)
		end(nil) // that there is none is an answer
		if err == nil {
			return &found{held: held}
		}
		f.why, f.broken = reason(err)
	}
	if !want.MayCapture {
		f.err = errors.New(f.why)
		return f
	}
	f.reserved, f.held, f.err = reserve(ctx, want.Parts, waiting)
	return f
}

// reason says in a few words why there is no snapshot, and what was broken about one, if one was.
func reason(err error) (why string, broken error) {
	var damaged *snapshot.DamagedError
	if errors.As(err, &damaged) {
		return "the former one was damaged", fmt.Errorf("set aside a damaged snapshot: %w", err)
	}
	var none *snapshot.NoneError
	if errors.As(err, &none) {
		return none.Why, nil
	}
	return err.Error(), fmt.Errorf("snapshot: %w", err)
}

func (s *store) found(c actor.Context, f *found) {
	r := f.request
	if s.asked[r.want.Instance] != r {
		_ = f.Close() // given back before it was there
		return
	}
	if f.broken != nil {
		r.emulator.Tell(c, &messages.SnapshotBroken{Cause: messages.Cause{Err: f.broken}})
	}
	r.held, r.reserved = f.held, f.reserved
	switch {
	case f.held != nil:
		r.emulator.Tell(c, &messages.SnapshotGranted{Key: r.want.Key, Files: f.held.Files(), Runtime: f.held.Manifest.Runtime})
	case f.reserved != nil:
		r.emulator.Tell(c, &messages.CaptureGranted{Key: r.want.Key, Files: f.reserved.Files(), Why: f.why})
	default:
		r.emulator.Tell(c, &messages.SnapshotDenied{Cause: messages.Cause{Err: f.err}})
	}
}

func (s *store) publish(c actor.Context, m *messages.PublishSnapshot) {
	r := s.asked[m.Instance]
	if r == nil || r.reserved == nil {
		Ref[messages.Emulator]{c.Sender()}.Tell(c, &messages.SnapshotPublished{Cause: messages.Cause{Err: errors.New("snapshot: nothing was reserved")}})
		return
	}
	reserved := r.reserved
	r.reserved = nil // it is the work's now
	s.run(c, func(ctx context.Context) any {
		end := span.Begin(ctx, "disk", "publish the snapshot")
		held, err := reserved.Publish(ctx, m.Manifest)
		end(err)
		return &published{r, held, err}
	})
}

func (s *store) published(c actor.Context, m *published) {
	_ = closeHeld(m.held) // who wants to resume it asks for it
	r := m.request
	if s.asked[r.want.Instance] == r {
		delete(s.asked, r.want.Instance)
	}
	r.emulator.Tell(c, &messages.SnapshotPublished{Cause: messages.Cause{Err: m.err}})
}

func (s *store) forgive(c actor.Context, name string) {
	if r := s.asked[name]; r != nil && r.held != nil {
		held, snapshots := r.held, s.snapshots
		s.run(c, func(context.Context) any {
			_ = snapshots.Forgive(held) // at worst it is retired a little early
			return nil
		})
	}
}

// strike counts a failure against the snapshot, which is then nobody's until it is asked for again.
func (s *store) strike(c actor.Context, m *messages.ResumeFailed) {
	r := s.asked[m.Instance]
	if r == nil || r.held == nil {
		Ref[messages.Emulator]{c.Sender()}.Tell(c, &messages.FailureCounted{})
		return
	}
	held, snapshots, emulator := r.held, s.snapshots, r.emulator
	r.held = nil
	s.run(c, func(context.Context) any {
		defer held.Close()
		retired, err := snapshots.Strike(held, m.Cause.Err)
		switch {
		case err != nil:
			return &judged{emulator, fmt.Errorf("snapshot %s: %w", r.want.Key, err)}
		case retired:
			return &judged{emulator, fmt.Errorf("snapshot %s has failed too often and is not used any more: the next start captures a new one", r.want.Key)}
		}
		return &judged{emulator: emulator}
	})
}

func (s *store) judged(c actor.Context, m *judged) {
	if m.err != nil {
		m.emulator.Tell(c, &messages.SnapshotBroken{Cause: messages.Cause{Err: m.err}})
	}
	m.emulator.Tell(c, &messages.FailureCounted{})
}

// release gives up what an instance was granted, or is still waiting for.
func (s *store) release(c actor.Context, name string) {
	r := s.asked[name]
	if r == nil {
		return
	}
	delete(s.asked, name)
	r.end()
	_ = closeHeld(r.held)
	if reserved := r.reserved; reserved != nil {
		s.run(c, func(context.Context) any {
			_ = reserved.Abandon() // what is left of it is removed by the next one who reserves
			return nil
		})
	}
}

func (f *found) failure() error { return f.err }

func (p *published) failure() error { return p.err }

func (j *judged) failure() error { return j.err }
