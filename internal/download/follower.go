package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"sync"
)

// follower makes the digest of a file that grows from its start: chunks arrive in any order, a hash wants its bytes in theirs.
// It reads them back, which costs a copy out of the page cache, and no memory.
type follower struct {
	file io.ReaderAt

	mu    sync.Mutex
	moved sync.Cond
	front int64 // bytes that may be read
	end   bool  // no more will come
}

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

// finish says that nothing more will come.
func (f *follower) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = true
	f.moved.Signal()
}

func (f *follower) await(at int64) (front int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.front <= at && !f.end {
		f.moved.Wait()
	}
	return f.front
}

// run returns the digest of all that was reached, as "sha256:" and hexadecimal digits, after finish.
func (f *follower) run(ctx context.Context) (string, error) {
	defer context.AfterFunc(ctx, f.finish)()
	hash, buffer := sha256.New(), make([]byte, hashBuffer)
	for at := int64(0); ; {
		front := f.await(at)
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if front == at {
			return digestPrefix + hex.EncodeToString(hash.Sum(nil)), nil
		}
		n, err := f.file.ReadAt(buffer[:min(front-at, int64(len(buffer)))], at)
		if n == 0 {
			return "", err
		}
		hash.Write(buffer[:n])
		at += int64(n)
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
