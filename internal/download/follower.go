package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sync"
)

// follower makes the digest of a file that grows from its start. Chunks arrive in any order and a hash wants its bytes in theirs:
// what comes in its turn is lent by whoever has just written it, and the rest is read back, which costs a copy out of the page
// cache, and no memory.
type follower struct {
	file io.ReaderAt

	mu    sync.Mutex
	moved sync.Cond
	front int64  // bytes that are there without a gap, and may be read
	next  int64  // the first byte that is neither hashed, nor being read back, nor lent
	lent  []loan // in order, without a gap between them
	end   bool   // no more will come
}

// loan is what was written at a place of the file, for as long as it takes to hash it.
type loan struct {
	at    int64
	bytes []byte
	back  chan<- []byte // has room for it
}

// maxLent is how many loans may wait. More would only be memory.
const maxLent = 4

func newFollower(file io.ReaderAt) *follower {
	f := &follower{file: file}
	f.moved.L = &f.mu
	return f
}

// reach says how far the file goes now without a gap.
func (f *follower) reach(front int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.front = max(f.front, front)
	f.moved.Signal()
}

// wrote says what has been written, and tells whether the follower keeps it until it gives it back.
func (f *follower) wrote(l loan) (kept bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.at > f.front {
		return false // after a gap
	}
	end := l.at + int64(len(l.bytes))
	f.front = max(f.front, end)
	if kept = l.at == f.next && len(f.lent) < maxLent; kept {
		f.next = end
		f.lent = append(f.lent, l)
	}
	f.moved.Signal()
	return kept
}

// finish says that nothing more will come.
func (f *follower) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = true
	f.moved.Signal()
}

// piece is what is hashed next: bytes that were lent, or as many of the file as size says. An empty one is the end.
type piece struct {
	loan
	size int64
}

func (f *follower) await() piece {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.lent) == 0 && f.front <= f.next && !f.end {
		f.moved.Wait()
	}
	if len(f.lent) > 0 {
		l := f.lent[0]
		f.lent = f.lent[1:]
		return piece{l, int64(len(l.bytes))}
	}
	p := piece{loan{at: f.next}, min(f.front-f.next, hashBuffer)}
	f.next += p.size
	return p
}

// run returns the digest of all that was reached, as "sha256:" and hexadecimal digits, after finish.
func (f *follower) run(ctx context.Context) (string, error) {
	defer context.AfterFunc(ctx, f.finish)()
	hash, buffer := sha256.New(), make([]byte, hashBuffer)
	for {
		p := f.await()
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case p.size == 0:
			return digestPrefix + hex.EncodeToString(hash.Sum(nil)), nil
		case p.bytes != nil:
			hash.Write(p.bytes)
			p.back <- p.bytes
		default:
			if _, err := f.file.ReadAt(buffer[:p.size], p.at); err != nil {
				return "", err
			}
			hash.Write(buffer[:p.size])
		}
	}
}

// hashBuffer fits a processor's cache, where a hash finds what has just been copied.
const hashBuffer = 256 << 10

// digestPrefix names the hash, as GitHub and the sidecars of images do.
const digestPrefix = "sha256:"

// CopyDigest copies until the end, and returns the digest and the size of what it has copied. Each buffer is told.
func CopyDigest(ctx context.Context, to io.Writer, from io.Reader, tell func(done int64)) (digest string, size int64, err error) {
	hash, buffer := sha256.New(), make([]byte, hashBuffer)
	for {
		if ctx.Err() != nil {
			return "", 0, context.Cause(ctx)
		}
		n, readErr := from.Read(buffer)
		hash.Write(buffer[:n])
		if _, err := to.Write(buffer[:n]); err != nil {
			return "", 0, err
		}
		size += int64(n)
		tell(size)
		if readErr == io.EOF {
			return digestPrefix + hex.EncodeToString(hash.Sum(nil)), size, nil
		}
		if readErr != nil {
			return "", 0, readErr
		}
	}
}
