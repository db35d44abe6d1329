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
	Connections int            // at a time, at most; 0 for 6
	Chunk       int64          // bytes that are asked for at once; 0 for 8 MiB
	Stall       time.Duration  // after which a connection without bytes is given up; 0 for 30 s
	Progress    func(Progress) // called five times a second, never twice at once; nil when nobody listens

	hooks hooks
}

// hooks are for tests.
type hooks struct {
	writer     func(io.WriterAt) io.WriterAt // between a connection and the file
	checkpoint time.Duration
	join       time.Duration
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
	if o.hooks.join == 0 {
		o.hooks.join = joinEvery
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

// cause is the reason why a context has ended, if that is what an error is about.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// copy writes what it reads to the file at an offset, and says how much that was. An error of the file is permanent.
func (f *fetch) copy(at int64, from io.Reader, follower *follower) (written int64, err error) {
	to, spare := f.hooks.writer(f.part.file), make(chan []byte, maxLent+2)
	for {
		buffer := spareBuffer(spare)
		n, readErr := from.Read(buffer)
		if n > 0 {
			m, err := to.WriteAt(buffer[:n], at+written)
			f.meter.add(int64(m))
			if err != nil {
				return written + int64(m), &permanent{err}
			}
		}
		if n == 0 || !follower.wrote(loan{at + written, buffer[:n], spare}) {
			spare <- buffer
		}
		written += int64(n)
		if readErr == io.EOF {
			return written, nil
		}
		if readErr != nil {
			return written, readErr
		}
	}
}

// spareBuffer is one that is not lent. There are at most those that wait in the follower, the one that it hashes, and this one.
func spareBuffer(spare <-chan []byte) []byte {
	select {
	case buffer := <-spare:
		return buffer[:copyBuffer]
	default:
		return make([]byte, copyBuffer)
	}
}

// copyBuffer is the size of what a connection reads into. With a quarter of it the calls of the kernel take a tenth more of a
// processor.
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
