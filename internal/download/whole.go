package download

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
)

// asAWhole fetches the file over one connection, from its first byte, as often as it takes.
func (f *fetch) asAWhole(ctx context.Context) (digest string, err error) {
	err = f.persist(ctx, func() (bool, error) {
		if err := f.reset(); err != nil {
			return false, &permanent{err}
		}
		f.meter.done.Store(0)
		digest, err = f.whole(ctx)
		return false, err // where there are no ranges, nothing of a cut connection is progress
	})
	return digest, err
}

func (f *fetch) whole(ctx context.Context) (digest string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newWatch(f.Stall, cancel)
	defer watch.stop()
	r, err := f.request(ctx, nil)
	if err != nil {
		return "", cause(ctx, err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return "", &permanent{fmt.Errorf("%s answers %s to a request for the whole", r.Request.URL.Host, r.Status)}
	}
	f.part.noteETag(strongETag(r.Header.Get("ETag")))
	size := max(r.ContentLength, 0)
	if f.Size > 0 && size > 0 && size != f.Size {
		return "", f.otherSize(size)
	}
	size = max(size, f.Size)
	f.meter.total.Store(size)
	if err := f.room(size); err != nil {
		return "", &permanent{err}
	}

	follower := newFollower(f.part.file)
	var g errgroup.Group
	g.Go(func() (err error) { digest, err = follower.run(ctx); return err })
	var once sync.Once
	finish := func() { once.Do(follower.finish) }
	defer finish()
	written, err := f.copy(0, watch.over(r.Body), follower)
	if err == nil && f.Size > 0 && written != f.Size {
		err = f.otherSize(written)
	}
	if err != nil {
		cancel(err)
		_ = g.Wait() // its error is this one
		return "", cause(ctx, err)
	}
	finish()
	return digest, g.Wait()
}

func (f *fetch) otherSize(size int64) error {
	return &permanent{fmt.Errorf("%w: it has %d bytes, and %d were announced", ErrChanged, size, f.Size)}
}
