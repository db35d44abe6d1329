package download

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// byRanges fetches the chunks that are missing over several connections.
func (f *fetch) byRanges(ctx context.Context) (digest string, err error) {
	var first *http.Response // the answer that tells what there is, used for the first chunk
	if f.part.state.Size == 0 {
		if err := f.persist(ctx, func() (_ bool, err error) { first, err = f.learn(ctx); return false, err }); err != nil {
			return "", err
		}
	}
	if err := f.room(f.part.state.Size); err != nil {
		closeBody(first)
		return "", err
	}
	g, ctx := errgroup.WithContext(ctx)
	follower, end := newFollower(f.part.file), make(chan struct{})
	follower.reach(f.part.frontBytes())
	c := &crew{fetch: f, follower: follower, queue: f.part.missing(), first: first, drained: make(chan struct{})}
	g.Go(func() error {
		defer close(end)
		defer follower.finish()
		return c.work(ctx)
	})
	g.Go(func() (err error) { digest, err = follower.run(ctx); return err })
	g.Go(func() error { return f.checkpoints(end) })
	return digest, g.Wait()
}

// crew is the connections that fetch the chunks of one file.
type crew struct {
	*fetch
	follower *follower

	mu      sync.Mutex
	queue   []int64 // chunks that nobody fetches yet
	first   *http.Response
	drained chan struct{} // closed when the queue is empty
}

// Connections are added one by one for as long as those that there are bring less than fastConnection each, in bytes per
// second. One that brings more has this machine for a limit, not the server or the way to it, and others would only be in its way.
const (
	joinEvery      = 50 * time.Millisecond
	fastConnection = 200e6
)

func (c *crew) work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	connection := func() error { return c.connection(ctx) }
	most, before := min(c.Connections, len(c.queue)), c.meter.done.Load()
	g.Go(connection)
	ticker := time.NewTicker(c.hooks.join)
	defer ticker.Stop()
	for n := 1; n < most; {
		select {
		case <-c.drained:
			return g.Wait()
		case <-ctx.Done():
			return g.Wait()
		case <-ticker.C:
		}
		now := c.meter.done.Load()
		if float64(now-before) < float64(n)*fastConnection*c.hooks.join.Seconds() {
			g.Go(connection)
			n++
		}
		before = now
	}
	return g.Wait()
}

func (c *crew) connection(ctx context.Context) error {
	for n, r, ok := c.next(); ok; n, r, ok = c.next() {
		if err := c.chunk(ctx, n, r); err != nil {
			return err
		}
		c.follower.reach(c.part.finish(n))
	}
	return nil
}

// next is a chunk to fetch, with the answer that brings it if it has been asked for.
func (c *crew) next() (n int64, r *http.Response, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return 0, nil, false
	}
	n, c.queue = c.queue[0], c.queue[1:]
	if len(c.queue) == 0 {
		close(c.drained)
	}
	r, c.first = c.first, nil
	return n, r, true
}

// chunk fetches what is missing of one chunk, over as many connections in turn as it takes.
func (c *crew) chunk(ctx context.Context, n int64, first *http.Response) error {
	at, end := c.part.bounds(n)
	return c.persist(ctx, func() (bool, error) {
		before := at
		err := c.piece(ctx, &at, end, first)
		first = nil
		return at-before >= enough, err
	})
}

// enough is what a connection must have brought, in bytes, for its end to be no failure. A server that gives a byte to each is
// not worked through.
const enough = 1 << 10

// piece fetches the bytes from *at up to end over one connection, and moves *at on.
func (c *crew) piece(ctx context.Context, at *int64, end int64, r *http.Response) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newWatch(c.Stall, cancel)
	defer watch.stop()
	if r == nil {
		if r, err = c.ask(ctx, *at, end); err != nil {
			return cause(ctx, err)
		}
	} else { // asked for under another context
		defer context.AfterFunc(ctx, func() { r.Body.Close() })()
	}
	defer r.Body.Close()
	n, err := c.copy(*at, io.LimitReader(watch.over(r.Body), end-*at), c.follower)
	*at += n
	if err == nil && *at < end {
		err = io.ErrUnexpectedEOF
	}
	return cause(ctx, err)
}

// checkpoints syncs and notes what has arrived, every now and then.
func (f *fetch) checkpoints(end <-chan struct{}) error {
	ticker := time.NewTicker(f.hooks.checkpoint)
	defer ticker.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-ticker.C:
			if err := f.part.checkpoint(); err != nil {
				return err
			}
		}
	}
}
