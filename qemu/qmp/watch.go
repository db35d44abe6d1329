package qmp

// watchRoom is how many events wait for one watcher. What comes beyond that is dropped: whoever watches must ask QEMU too,
// for it drops events itself when they come fast.
const watchRoom = 64

// watcher waits for events of one name.
type watcher struct {
	name   string
	events chan Event
}

// watch returns a channel with the events of one name from now on, until stop is called. It goes past the queue, so that a
// callback that blocks holds up nobody else.
func (q *Conn) watch(name string) (events <-chan Event, stop func()) {
	w := &watcher{name, make(chan Event, watchRoom)}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.watchers[w] = true
	return w.events, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.watchers, w)
	}
}

// notify hands an event to those who watch for it.
func (q *Conn) notify(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for w := range q.watchers {
		if w.name != e.Event {
			continue
		}
		select {
		case w.events <- e:
		default:
		}
	}
}
