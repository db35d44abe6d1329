package inforce

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/guest/tools/stackenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runDir has a short name: a socket's path has 107 bytes at most.
func runDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "if")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func listen(t *testing.T, dir string) *Listener {
	t.Helper()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

var mine, other = strings.Repeat("a", 64), strings.Repeat("b", 64)

func TestDigest(t *testing.T) {
	dir := runDir(t)
	seen := map[string]string{}
	for _, files := range []struct{ env, rotated string }{
		{}, {env: "A=1\n"}, {rotated: "A=1\n"}, {"A=1\n", "A=1\n"}, {"A=1\nA=1\n", ""}, {"A=2\n", "A=1\n"},
		{"A=1\n" + stackenv.RotatedFile + " 4\nA=1\n", ""},
	} {
		for name, text := range map[string]string{stackenv.EnvFile: files.env, stackenv.RotatedFile: files.rotated} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		one, err := Digest(dir)
		if err != nil {
			t.Fatal(err)
		}
		if two, err := Digest(dir); err != nil || two != one || len(one) != 64 {
			t.Errorf("%q: %q and %q, %v", files, one, two, err)
		}
		if before, known := seen[one]; known {
			t.Errorf("%q has the digest of %q", files, before)
		}
		seen[one] = files.env + "|" + files.rotated
	}
	if _, err := Digest(filepath.Join(dir, "absent")); err != nil {
		t.Errorf("no files: %v, want the digest of nothing", err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, stackenv.EnvFile)), os.Mkdir(filepath.Join(dir, stackenv.EnvFile), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := Digest(dir); err == nil {
		t.Error("no error for a file that cannot be read")
	}
}

// What is told between Listen and Wait is heard, whatever came before it.
func TestListenThenTell(t *testing.T) {
	dir := runDir(t)
	l := listen(t, dir)
	for _, told := range []string{other, "", mine + "a", strings.Repeat("x", 5000), mine} {
		Tell(dir, told)
	}
	if err := l.Wait(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
}

func TestWaitIsWokenUp(t *testing.T) {
	dir := runDir(t)
	l := listen(t, dir)
	heard := make(chan error, 1)
	go func() { heard <- l.Wait(t.Context(), mine) }()
	Tell(dir, mine)
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
}

// Only the right digest ends the wait; the end of the context does, too, with its cause.
func TestWaitEndsWithTheContext(t *testing.T) {
	dir := runDir(t)
	l := listen(t, dir)
	cause := errors.New("the container has ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	heard := make(chan error, 1)
	go func() { heard <- l.Wait(ctx, mine) }()
	Tell(dir, other)
	cancel(cause)
	if err := <-heard; !errors.Is(err, cause) {
		t.Errorf("err = %v, want the cause", err)
	}
	// What one container did not tell, the next one may.
	for range 100 {
		Tell(dir, mine)
		if err := l.Wait(t.Context(), mine); err != nil {
			t.Fatalf("a second wait: %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := l.Wait(ended, mine); !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v", err)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	dir := runDir(t)
	Tell(dir, mine)                          // nobody ever has
	Tell(filepath.Join(dir, "absent"), mine) // no place
	l := listen(t, dir)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	Tell(dir, mine) // nobody does any more
	stale(t, dir)
	Tell(dir, mine) // the one who did was killed
}

// One that does not read, for its queue is full, is none: the entry point is not held up for long.
func TestListenerThatDoesNotRead(t *testing.T) {
	dir := runDir(t)
	listen(t, dir)
	conn, err := net.Dial("unixgram", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = conn.Write([]byte(other))
	}
	began := time.Now()
	Tell(dir, mine)
	if took := time.Since(began); took > 5*tellTimeout {
		t.Errorf("it took %v", took)
	}
}

// stale leaves the socket of a process that was killed.
func stale(t *testing.T, dir string) {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, socket), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, socket)); err != nil {
		t.Fatal(err)
	}
}

func TestListenAfterOneThatWasKilled(t *testing.T) {
	dir := runDir(t)
	stale(t, dir)
	l := listen(t, dir)
	if info, err := os.Stat(filepath.Join(dir, socket)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v, want mode 0600", info, err)
	}
	Tell(dir, mine)
	if err := l.Wait(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestListenRefuses(t *testing.T) {
	if _, err := Listen(filepath.Join(runDir(t), "absent")); err == nil {
		t.Error("no error without a directory")
	}
}

func TestWaitOfAClosedListener(t *testing.T) {
	l := listen(t, runDir(t))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(t.Context(), mine); !errors.Is(err, net.ErrClosed) {
		t.Errorf("err = %v", err)
	}
}
