package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// origin is a server with one file, and faults.
type origin struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	body     []byte
	etag     string
	fault    func(n int, w http.ResponseWriter, r *http.Request) (handled bool) // n counts requests from 1
	requests []*http.Request
	sent     int64
}

func newOrigin(t *testing.T, size int) *origin {
	t.Helper()
	o := &origin{t: t, body: randomBytes(size, 1), etag: `"one"`}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func randomBytes(size int, seed uint64) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.requests = append(o.requests, r)
	n, fault, body, etag := len(o.requests), o.fault, o.body, o.etag
	o.mu.Unlock()
	counting := &counted{ResponseWriter: w, o: o}
	if fault != nil && fault(n, counting, r) {
		return
	}
	serve(counting, r, body, etag)
}

func serve(w http.ResponseWriter, r *http.Request, body []byte, etag string) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// counted counts what is sent.
type counted struct {
	http.ResponseWriter
	o *origin
}

func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counted) Write(p []byte) (int, error) {
	c.o.mu.Lock()
	c.o.sent += int64(len(p)) // before: the client may be done before this goroutine goes on
	c.o.mu.Unlock()
	return c.ResponseWriter.Write(p)
}

// faults installs a fault, which is called one at a time.
func (o *origin) faults(f func(n int, w http.ResponseWriter, r *http.Request) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests, o.sent = nil, 0
	o.fault = f
}

func (o *origin) count() (requests int, sent int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.requests), o.sent
}

func (o *origin) digest() string { return digestOf(o.body) }

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return digestPrefix + hex.EncodeToString(sum[:])
}

// options fetch the file in chunks of 64 KiB.
func (o *origin) options() Options {
	return Options{Path: filepath.Join(o.t.TempDir(), "part"), Identity: "it", Size: int64(len(o.body)), Digest: o.digest(),
		Locate: at(o.URL + "/file?sig=hidden"), Chunk: 64 << 10, Stall: 10 * time.Second, hooks: hooks{join: time.Millisecond}}
}

func at(url string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return url, nil }
}

// fetches fetches and compares.
func (o *origin) fetches(opt Options) Result {
	o.t.Helper()
	r, err := Fetch(o.t.Context(), opt)
	if err != nil {
		o.t.Fatal(err)
	}
	got, err := os.ReadFile(opt.Path)
	if err != nil {
		o.t.Fatal(err)
	}
	if !bytes.Equal(got, o.body) || r.Digest != digestOf(got) || r.Size != int64(len(got)) {
		o.t.Fatalf("got %d bytes, %+v; want %d bytes, %s", len(got), r, len(o.body), o.digest())
	}
	if _, err := os.Lstat(statePath(opt.Path)); err == nil {
		o.t.Error("the state is left beside a whole file")
	}
	return r
}

// refuses fetches, fails, and leaves nothing.
func (o *origin) refuses(opt Options) error {
	o.t.Helper()
	_, err := Fetch(o.t.Context(), opt)
	if err == nil {
		o.t.Fatal("no error")
	}
	left, _ := os.ReadDir(filepath.Dir(opt.Path))
	if len(left) > 0 {
		o.t.Errorf("left over: %v", left)
	}
	return err
}

// cut sends a part of the answer and breaks the connection.
func cut(w http.ResponseWriter, r *http.Request, body []byte, etag string, bytesSent int) {
	serve(&cutting{ResponseWriter: w, left: bytesSent}, r, body, etag)
}

type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left == 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func answer(w http.ResponseWriter, code int, header ...string) {
	for n := 0; n < len(header); n += 2 {
		w.Header().Set(header[n], header[n+1])
	}
	w.WriteHeader(code)
	fmt.Fprint(w, "no")
}
