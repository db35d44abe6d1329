package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const mib = 1 << 20

func TestRanges(t *testing.T) {
	o := newOrigin(t, mib+17)
	opt := o.options()
	var last Progress
	opt.Progress = func(p Progress) { last = p }
	r := o.fetches(opt)
	if n, sent := o.count(); n != 17 || sent != mib+17 {
		t.Errorf("%d requests, %d bytes sent", n, sent)
	}
	if r.Resumed != 0 || r.ETag != `"one"` || last.Done != mib+17 || last.Total != mib+17 {
		t.Errorf("%+v, %+v", r, last)
	}
	for _, q := range o.requests {
		if q.Header.Get("Range") == "" || q.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("headers: %v", q.Header)
		}
	}
}

func TestFileSmallerThanAChunk(t *testing.T) {
	o := newOrigin(t, 5)
	o.fetches(o.options())
	if n, _ := o.count(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Without size and digest the file is what the server says that it is.
func TestNothingAnnounced(t *testing.T) {
	o := newOrigin(t, mib)
	opt := o.options()
	opt.Size, opt.Digest = 0, ""
	o.fetches(opt)

	o.etag = "" // then two ranges could be of two files
	o.faults(nil)
	o.fetches(opt)
	if n, sent := o.count(); n != 2 || sent > mib+2*64<<10 {
		t.Errorf("%d requests, %d bytes", n, sent)
	}
}

// A digest makes up for a missing ETag, and for a weak one.
func TestNoETag(t *testing.T) {
	for _, etag := range []string{"", `W/"weak"`} {
		o := newOrigin(t, mib)
		o.etag = etag
		o.fetches(o.options())
		if n, _ := o.count(); n != 16 {
			t.Errorf("%q: %d requests", etag, n)
		}
	}
}

func TestServerWithoutRanges(t *testing.T) {
	for name, length := range map[string]bool{"with a length": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, mib)
			o.faults(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				if length {
					w.Header().Set("Content-Length", fmt.Sprint(mib))
				}
				w.WriteHeader(http.StatusOK)
				_, _ = w.Write(o.body)
				return true
			})
			opt := o.options()
			o.fetches(opt)
			if !length {
				opt.Size = 0
				o.fetches(opt)
			}
		})
	}
}

// A connection is cut after each quarter of every chunk, at its first byte, and before its headers.
func TestCutConnections(t *testing.T) {
	for _, after := range []int{0, 1, 16 << 10, 32 << 10, 48 << 10, 64<<10 - 1} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			o := newOrigin(t, 256<<10)
			var done atomic.Bool
			o.faults(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Range") != "bytes=65536-131071" || done.Swap(true) {
					return false
				}
				if after == 0 {
					panic(http.ErrAbortHandler)
				}
				cut(w, r, o.body, o.etag, after)
				return true
			})
			o.fetches(o.options())
			if _, sent := o.count(); sent != 256<<10 {
				t.Errorf("%d bytes were sent for %d", sent, 256<<10)
			}
		})
	}
}

func TestCutWhole(t *testing.T) {
	o := newOrigin(t, mib)
	o.faults(func(n int, w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		if n == 2 {
			cut(w, r, o.body, o.etag, mib/2)
		}
		return false
	})
	o.fetches(o.options())
}

func TestWrongContentRange(t *testing.T) {
	for _, value := range []string{"", "bytes", "bytes 1-65536/1048576", "bytes 0-65535/*", "bytes 0-70000/1048576", "bytes 9-3/5", "pages 0-1/2"} {
		t.Run(value, func(t *testing.T) {
			o := newOrigin(t, mib)
			o.faults(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("Range") == "" {
					return false
				}
				w.Header().Set("Content-Range", value)
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(o.body[:64<<10])
				return true
			})
			o.fetches(o.options())
		})
	}
}

// 200 instead of 206, in the middle of everything.
func TestRangesEnd(t *testing.T) {
	o := newOrigin(t, mib)
	o.faults(func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 5 {
			r.Header.Del("Range")
		}
		return false
	})
	o.fetches(o.options())
}

// Another ETag in the middle: the file starts over, and is the new one.
func TestFileChanges(t *testing.T) {
	o := newOrigin(t, mib)
	o.faults(func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 6 {
			o.mu.Lock()
			o.body, o.etag = randomBytes(mib+5, 2), `"two"`
			o.mu.Unlock()
		}
		return false
	})
	opt := o.options()
	opt.Size, opt.Digest = 0, ""
	if r := o.fetches(opt); r.ETag != `"two"` {
		t.Errorf("%+v", r)
	}
}

// What was announced is pinned: another file is an error, at once where its size tells.
func TestFileIsAnother(t *testing.T) {
	o := newOrigin(t, mib)
	opt := o.options()
	o.body = randomBytes(mib-1, 2)
	if err := o.refuses(opt); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	o.body = randomBytes(mib, 2)
	damaged, ok := errors.AsType[*DigestError](o.refuses(opt))
	if !ok || damaged.Want != opt.Digest || damaged.Got != digestOf(o.body) {
		t.Error(damaged)
	}
}

func TestChangesAllTheTime(t *testing.T) {
	o := newOrigin(t, mib)
	o.faults(func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		o.mu.Lock()
		o.etag = fmt.Sprintf("%q", fmt.Sprint(n))
		o.mu.Unlock()
		return false
	})
	if err := o.refuses(o.options()); !errors.Is(err, errAnew) {
		t.Error(err)
	}
}

func TestNotSatisfiable(t *testing.T) {
	o := newOrigin(t, mib)
	o.faults(func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 3 {
			answer(w, http.StatusRequestedRangeNotSatisfiable)
			return true
		}
		return false
	})
	o.fetches(o.options())
}

func TestStall(t *testing.T) {
	for name, dribble := range map[string]bool{"silence": false, "a byte now and then": true} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, 256<<10)
			o.faults(func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n != 2 {
					return false
				}
				control := http.NewResponseController(w)
				w.Header().Set("ETag", o.etag)
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 65536-131071/%d", len(o.body)))
				w.WriteHeader(http.StatusPartialContent)
				for at := 65536; ; at++ {
					if dribble {
						_, _ = w.Write(o.body[at : at+1])
					}
					_ = control.Flush()
					select {
					case <-r.Context().Done():
						return true
					case <-time.After(5 * time.Millisecond):
					}
				}
			})
			opt := o.options()
			opt.Stall = 300 * time.Millisecond
			opt.Connections = 1
			o.fetches(opt)
		})
	}
}

// Headers that never come are a stall, too, also those of the first answer.
func TestStallBeforeHeaders(t *testing.T) {
	o := newOrigin(t, 1000)
	o.faults(func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			<-r.Context().Done()
		}
		return n == 1
	})
	opt := o.options()
	opt.Stall = 200 * time.Millisecond
	o.fetches(opt)
}

func TestExpiredLink(t *testing.T) {
	o := newOrigin(t, mib)
	links := 0
	o.faults(func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n > 4 && r.URL.Path == "/1" {
			answer(w, http.StatusForbidden)
			return true
		}
		return false
	})
	opt := o.options()
	opt.Locate = func(context.Context) (string, error) {
		links++
		return fmt.Sprintf("%s/%d", o.URL, links), nil
	}
	o.fetches(opt)
	if links != 2 {
		t.Errorf("asked for %d links", links)
	}
}

// A link that stays forbidden is said to be so, without its signature.
func TestRefusals(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 410, 451, 501} {
		o := newOrigin(t, mib)
		o.faults(func(_ int, w http.ResponseWriter, _ *http.Request) bool { answer(w, code); return true })
		err := o.refuses(o.options())
		status, ok := errors.AsType[*StatusError](err)
		if n, _ := o.count(); !ok || status.Code != code || n != 1 || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%d: %v after %d requests", code, err, n)
		}
	}
}

func TestLongRetryAfterIsNotWaitedFor(t *testing.T) {
	o := newOrigin(t, mib)
	o.faults(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		answer(w, http.StatusTooManyRequests, "Retry-After", "3600")
		return true
	})
	err := o.refuses(o.options())
	if !strings.Contains(err.Error(), "429 Too Many Requests, and asks to come back in 1h0m0s") {
		t.Error(err)
	}
}

func TestRedirects(t *testing.T) {
	o := newOrigin(t, mib)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := o.URL
		if r.URL.Path == "/loop" {
			target = "/loop"
		}
		http.Redirect(w, r, target, http.StatusFound)
	}))
	defer front.Close()
	opt := o.options()
	opt.Locate = at(front.URL)
	o.fetches(opt)
	opt = o.options()
	opt.Locate = at(front.URL + "/loop")
	if err := o.refuses(opt); !errors.Is(err, errRedirects) {
		t.Error(err)
	}
}

func TestRedirectToPlainHTTP(t *testing.T) {
	o := newOrigin(t, mib)
	front := httptest.NewTLSServer(http.RedirectHandler(o.URL, http.StatusFound))
	defer front.Close()
	opt := o.options()
	opt.Locate = at(front.URL)
	opt.Client = front.Client()
	opt.Client.CheckRedirect = CheckRedirect
	if err := o.refuses(opt); !strings.Contains(err.Error(), "without encryption") {
		t.Error(err)
	}
	opt.Client = nil // it does not know the server's certificate
	if err := o.refuses(opt); !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

// fullDisk is a disk with room for so many bytes.
type fullDisk struct {
	io.WriterAt
	room int64
}

func (d fullDisk) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > d.room {
		return 0, &os.PathError{Op: "write", Path: "part", Err: syscall.ENOSPC}
	}
	return d.WriterAt.WriteAt(p, at)
}

func TestDiskGetsFull(t *testing.T) {
	for _, ranges := range []bool{true, false} {
		o := newOrigin(t, mib)
		o.faults(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			if !ranges {
				r.Header.Del("Range")
			}
			return false
		})
		opt := o.options()
		opt.hooks.writer = func(w io.WriterAt) io.WriterAt { return fullDisk{w, mib / 2} }
		if err := o.refuses(opt); !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
	}
}

func TestDiskIsTooSmall(t *testing.T) {
	o := newOrigin(t, mib)
	opt := o.options()
	opt.Size = 1 << 58
	o.faults(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-65535/%d", opt.Size))
		w.Header().Set("ETag", o.etag)
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write(o.body[:64<<10])
		return true
	})
	if _, ok := errors.AsType[*SpaceError](o.refuses(opt)); !ok {
		t.Error("no SpaceError")
	}
}

func TestLocateFails(t *testing.T) {
	o := newOrigin(t, 10)
	opt := o.options()
	boom := errors.New("boom")
	opt.Locate = func(context.Context) (string, error) { return "", boom }
	if err := o.refuses(opt); !errors.Is(err, boom) || err.Error() != "download: boom" {
		t.Error(err)
	}
	opt.Locate = at("::")
	o.refuses(opt)
}

func TestPartialFileIsALink(t *testing.T) {
	o := newOrigin(t, 10)
	opt := o.options()
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, opt.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), opt); !errors.Is(err, syscall.ELOOP) {
		t.Error(err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "mine" {
		t.Errorf("the victim is %q", b)
	}
}
