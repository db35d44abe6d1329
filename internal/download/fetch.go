package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what to fetch, and where to.
type Options struct {
	Path     string // the partial file; what is known of it lies at Path + ".json"
	Identity string // what is fetched, in any words: a partial file of something else is begun anew
	Size     int64  // bytes, as announced; 0 when it is not known
	Digest   string // "sha256:…", as announced; "" when it is not known

	// Locate gives the URL. It is asked again when a link seems to have expired, and its error ends the download.
	Locate func(ctx context.Context) (string, error)

	Client      *http.Client   // nil for [NewClient]'s
	Connections int            // at a time; 0 for 6
	Chunk       int64          // bytes that are asked for at once; 0 for 8 MiB
	Stall       time.Duration  // after which a connection without bytes is given up; 0 for 30 s
	Progress    func(Progress) // called five times a second, never twice at once; nil when nobody listens

	hooks hooks
}

// hooks are for tests.
type hooks struct {
	writer     func(io.WriterAt) io.WriterAt // between a connection and the file
	checkpoint time.Duration
}

const (
	defaultConnections = 6
	defaultChunk       = 8 << 20
	defaultStall       = 30 * time.Second

	// checkpointEvery bounds what a kill or a power cut costs.
	checkpointEvery = 3 * time.Second
	// maxAnew bounds how often a file may change while it is fetched.
	maxAnew = 3
)

// Result is what has arrived, at Options.Path.
type Result struct {
	Digest  string // "sha256:…" of the whole file
	Size    int64  // bytes
	ETag    string
	Resumed int64 // bytes that an earlier attempt had left
}

// Fetch fetches a file. After an error that may go away (the context's, the network's) what has arrived stays, for the next
// Fetch; after any other nothing does. Errors that a caller may want to tell apart are [ErrChanged], [ErrStalled],
// [*DigestError], [*SpaceError], [*StatusError], and those of Locate.
func Fetch(ctx context.Context, o Options) (Result, error) {
	f := &fetch{Options: o.complete()}
	r, err := f.fetch(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("download: %w", err)
	}
	return r, nil
}

func (o Options) complete() Options {
	if o.Client == nil {
		o.Client = NewClient()
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	if o.Chunk == 0 {
		o.Chunk = defaultChunk
	}
	if o.Stall == 0 {
		o.Stall = defaultStall
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.hooks.writer == nil {
		o.hooks.writer = func(w io.WriterAt) io.WriterAt { return w }
	}
	if o.hooks.checkpoint == 0 {
		o.hooks.checkpoint = checkpointEvery
	}
	return o
}

// fetch is one download under way.
type fetch struct {
	Options
	part    *partial
	meter   meter
	resumed int64 // bytes of an earlier attempt that are still part of this one

	mu  sync.Mutex
	url string // the link in use
}

func (f *fetch) fetch(ctx context.Context) (_ Result, err error) {
	if f.part, err = openPartial(f.Path, f.Identity); err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, f.leave(err)) }()
	defer f.Client.CloseIdleConnections()
	f.resumed = f.part.bytes()
	resumed := f.resumed
	if f.url, err = f.Locate(ctx); err != nil {
		return Result{}, err
	}
	telling, stop := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		f.meter.run(telling, f.Progress)
	}()
	digest, err := f.attempts(ctx)
	stop()
	<-told
	if err != nil {
		return Result{}, err
	}
	f.Progress(f.meter.progress())
	return Result{Digest: digest, Size: f.meter.done.Load(), ETag: f.part.state.ETag, Resumed: min(resumed, f.resumed)}, nil
}

// attempts begins anew where that helps, and returns the digest of the whole.
func (f *fetch) attempts(ctx context.Context) (string, error) {
	way := f.byRanges
	for anew := 0; ; {
		f.meter.done.Store(f.part.bytes())
		f.meter.total.Store(max(f.Size, f.part.state.Size))
		digest, err := way(ctx)
		if err == nil {
			err = f.check(digest)
		}
		switch damaged := new(DigestError); {
		case err == nil:
			return digest, nil
		case errors.Is(err, errNoRanges):
			way = f.asAWhole
		case errors.Is(err, errAnew) && anew < maxAnew:
			anew++
		case errors.As(err, &damaged) && f.resumed > 0: // what an earlier attempt had left may be to blame
		default:
			return "", err
		}
		if err := f.reset(); err != nil {
			return "", err
		}
	}
}

func (f *fetch) reset() error {
	f.resumed = 0
	return f.part.reset()
}

func (f *fetch) check(digest string) error {
	if f.Digest != "" && digest != f.Digest {
		return &DigestError{Want: f.Digest, Got: digest}
	}
	return nil
}

// leave closes the partial file, and sees that it is left behind only if the next attempt can use it.
func (f *fetch) leave(err error) error {
	var keep error
	if err != nil && resumable(err) {
		keep = f.part.checkpoint()
	}
	closed := f.part.file.Close()
	switch {
	case err != nil && (!resumable(err) || keep != nil || f.part.bytes() == 0):
		return errors.Join(keep, closed, Discard(f.Path))
	case err == nil: // the caller's now
		_ = os.Remove(statePath(f.Path))
	}
	return closed
}

// resumable says whether what has arrived is worth keeping.
func resumable(err error) bool {
	if damaged, ok := errors.AsType[*DigestError](err); ok && damaged != nil {
		return false
	}
	return !errors.Is(err, ErrChanged) && !errors.Is(err, errAnew) && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EFBIG)
}

// byRanges fetches the chunks that are missing over several connections.
func (f *fetch) byRanges(ctx context.Context) (string, error) {
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
	follower := newFollower(f.part.file)
	follower.reach(f.part.frontBytes())
	var digest string
	g.Go(func() (err error) { digest, err = follower.run(ctx); return err })

	working, checkpoints := sync.WaitGroup{}, make(chan struct{})
	queue := f.part.missing()
	var mu sync.Mutex
	next := func() (n int64, r *http.Response, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(queue) == 0 {
			return 0, nil, false
		}
		n, queue = queue[0], queue[1:]
		r, first = first, nil
		return n, r, true
	}
	for range min(f.Connections, len(queue)) {
		working.Add(1)
		g.Go(func() error {
			defer working.Done()
			for n, r, ok := next(); ok; n, r, ok = next() {
				if err := f.chunk(ctx, n, r); err != nil {
					return err
				}
				follower.reach(f.part.finish(n))
			}
			return nil
		})
	}
	g.Go(func() error {
		working.Wait()
		close(checkpoints)
		follower.finish()
		return nil
	})
	g.Go(func() error { return f.checkpoints(checkpoints) })
	return digest, g.Wait()
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

// chunk fetches what is missing of one chunk, over as many connections in turn as it takes.
func (f *fetch) chunk(ctx context.Context, n int64, first *http.Response) error {
	at, end := f.part.bounds(n)
	return f.persist(ctx, func() (bool, error) {
		before := at
		err := f.piece(ctx, &at, end, first)
		first = nil
		return at-before >= enough, err
	})
}

// enough is what a connection must have brought, in bytes, for its end to be no failure. A server that gives a byte to each is
// not worked through.
const enough = 1 << 10

// piece fetches the bytes from *at up to end over one connection, and moves *at on.
func (f *fetch) piece(ctx context.Context, at *int64, end int64, r *http.Response) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newWatch(f.Stall, cancel)
	defer watch.stop()
	if r == nil {
		if r, err = f.ask(ctx, *at, end); err != nil {
			return cause(ctx, err)
		}
	} else { // asked for under another context
		defer context.AfterFunc(ctx, func() { r.Body.Close() })()
	}
	defer r.Body.Close()
	n, err := f.copy(*at, io.LimitReader(watch.over(r.Body), end-*at))
	*at += n
	if err == nil && *at < end {
		err = io.ErrUnexpectedEOF
	}
	return cause(ctx, err)
}

// cause is the reason why a context has ended, if that is what an error is about.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// copy writes what it reads to the file at an offset, and says how much that was. An error of the file is permanent.
func (f *fetch) copy(at int64, from io.Reader) (written int64, err error) {
	to, buffer := f.hooks.writer(f.part.file), make([]byte, copyBuffer)
	for {
		n, readErr := from.Read(buffer)
		if n > 0 {
			m, err := to.WriteAt(buffer[:n], at+written)
			written += int64(m)
			f.meter.add(int64(m))
			if err != nil {
				return written, &permanent{err}
			}
		}
		if readErr == io.EOF {
			return written, nil
		}
		if readErr != nil {
			return written, readErr
		}
	}
}

// copyBuffer is what a connection holds in memory. With a quarter of it the calls of the kernel take a tenth more of a processor.
const copyBuffer = 1 << 20

// room says whether the rest of the file fits on the disk.
func (f *fetch) room(size int64) error {
	return Room(filepath.Dir(f.Path), size-f.part.allocated())
}

func closeBody(r *http.Response) {
	if r != nil {
		_ = r.Body.Close()
	}
}
