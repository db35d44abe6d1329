package qmp

import "sync"

// EventQueue is how many events may wait for the callback. QEMU limits the events that a guest can provoke to one a
// second each, so that this is only reached by a callback that has stopped.
const EventQueue = 4096

// queue is a bounded queue of events whose writer never waits.
type queue struct {
	mu      sync.Mutex
	ready   *sync.Cond
	events  []Event
	dropped uint64
	closed  bool
}

func newQueue() *queue {
	q := &queue{}
	q.ready = sync.NewCond(&q.mu)
	return q
}

// push appends e, in the place of the oldest event when the queue is full.
func (q *queue) push(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	if len(q.events) == EventQueue {
		q.events = append(q.events[:0], q.events[1:]...)
		q.dropped++
	}
	q.events = append(q.events, e)
	q.ready.Signal()
}

// pop waits for the next event. ok is false when the queue is closed and empty.
func (q *queue) pop() (e Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.events) == 0 && !q.closed {
		q.ready.Wait()
	}
	if len(q.events) == 0 {
		return Event{}, false
	}
	e, q.events = q.events[0], q.events[1:]
	return e, true
}

// close lets pop end once the queue is empty.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}

// discard closes the queue and drops what waits.
func (q *queue) discard() {
	q.close()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.events = nil
}

// lost returns how many events have been dropped for want of room.
func (q *queue) lost() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}
