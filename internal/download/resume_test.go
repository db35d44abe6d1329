package download

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// interrupted fetches half of the file and gives up.
func interrupted(o *origin, opt Options) {
	o.t.Helper()
	ctx, cancel := context.WithCancelCause(o.t.Context())
	o.faults(func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if n > 8 {
			cancel(errors.New("Ctrl-C"))
			<-r.Context().Done()
		}
		return n > 8
	})
	opt.Connections = 1
	if _, err := Fetch(ctx, opt); err == nil || err.Error() != "download: Ctrl-C" {
		o.t.Fatal(err)
	}
	o.faults(nil)
}

func TestResume(t *testing.T) {
	o := newOrigin(t, mib)
	opt := o.options()
	interrupted(o, opt)
	r := o.fetches(opt)
	if n, sent := o.count(); r.Resumed != mib/2 || n != 8 || sent != mib/2 {
		t.Errorf("%+v, %d requests, %d bytes", r, n, sent)
	}
	for _, q := range o.requests {
		if q.Header.Get("If-Range") != `"one"` {
			t.Errorf("If-Range %q", q.Header.Get("If-Range"))
		}
	}
}

func TestResumeOfAChangedFile(t *testing.T) {
	o := newOrigin(t, mib)
	opt := o.options()
	opt.Digest = ""
	interrupted(o, opt)
	o.body, o.etag = randomBytes(mib, 2), `"two"`
	if r := o.fetches(opt); r.Resumed != 0 || r.ETag != `"two"` {
		t.Errorf("%+v", r)
	}
}

// Whatever is wrong with what was left, the file is right in the end.
func TestResumeOfDamage(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"a bit":          func(p string) error { return scribble(p, 70_000) },
		"shorter":        func(p string) error { return os.Truncate(p, 100_000) },
		"no file":        os.Remove,
		"no state":       func(p string) error { return os.Remove(statePath(p)) },
		"half a state":   func(p string) error { return os.Truncate(statePath(p), 20) },
		"an empty state": func(p string) error { return os.Truncate(statePath(p), 0) },
		"a wrong state": func(p string) error {
			return os.WriteFile(statePath(p), []byte(`{"version":1,"identity":"it","etag":"\"one\"","size":1048576,"chunk":65536,"done":[{"first":0,"end":17}]}`), 0o600)
		},
		"a state of another size": func(p string) error {
			return os.WriteFile(statePath(p), []byte(`{"version":1,"identity":"it","etag":"\"one\"","size":999999,"chunk":65536,"done":[{"first":0,"end":1}]}`), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, mib)
			opt := o.options()
			interrupted(o, opt)
			if err := damage(opt.Path); err != nil {
				t.Fatal(err)
			}
			if r := o.fetches(opt); r.Resumed != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func scribble(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("damage"), at)
	return err
}

func TestPartialFileOfSomethingElse(t *testing.T) {
	o := newOrigin(t, mib)
	opt := o.options()
	interrupted(o, opt)
	opt.Identity = "another"
	if r := o.fetches(opt); r.Resumed != 0 {
		t.Errorf("%+v", r)
	}
}

const childVariable = "DOWNLOAD_TEST_CHILD"

// child is a process that downloads, and checkpoints all the time, until it is killed.
func child() {
	opt := Options{Path: os.Getenv("PART"), Identity: "it", Locate: at(os.Getenv("URL")), Chunk: 64 << 10, Connections: 2}
	opt.hooks.checkpoint = 10 * time.Millisecond
	ctx := context.Background()
	if limit, err := time.ParseDuration(os.Getenv("LIMIT")); err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if _, err := Fetch(ctx, opt); err != nil {
		os.Exit(1)
	}
}

// kill -9 in the middle; the second run goes on from the last checkpoint.
func TestKilledInTheMiddle(t *testing.T) {
	o := newOrigin(t, 4*mib)
	opt := o.options()
	stuck := make(chan struct{}, 100)
	o.faults(func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if n <= 40 {
			return false
		}
		stuck <- struct{}{}
		<-r.Context().Done()
		return true
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"=1", "PART="+opt.Path, "URL="+o.URL)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-stuck
	for deadline := time.Now().Add(20 * time.Second); readState(opt.Path, "it").Size == 0; { // a checkpoint is on the disk
		if time.Now().After(deadline) {
			t.Fatal("no checkpoint")
		}
		time.Sleep(time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	o.faults(nil)
	r := o.fetches(opt)
	if _, sent := o.count(); r.Resumed == 0 || sent != 4*mib-r.Resumed {
		t.Errorf("resumed at %d, and %d bytes were sent", r.Resumed, sent)
	}
}

// Two processes, or two users in one, share one download: the second one waits, and finds it done.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path, func() { t.Error("waits for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	waits, done := make(chan struct{}), make(chan error)
	go func() {
		unlock, err := Lock(t.Context(), path, func() { close(waits) })
		if err == nil {
			unlock()
		}
		done <- err
	}()
	<-waits
	unlock()
	if err := <-done; err != nil {
		t.Error(err)
	}
	unlock, _ = Lock(t.Context(), path, func() {})
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Lock(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, text := range []string{"one", "two"} {
		if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		reader, _ := os.Open(to) // who has the old one keeps it
		if err := Publish(from, to); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(to); string(b) != text {
			t.Errorf("got %q", b)
		}
		if reader != nil {
			b := make([]byte, 3)
			if _, err := reader.Read(b); err != nil || string(b) != "one" {
				t.Errorf("the reader has %q, %v", b, err)
			}
			reader.Close()
		}
	}
	if err := Publish(from, to); err == nil {
		t.Error("published nothing")
	}
}
