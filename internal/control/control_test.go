package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/session"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/qemu"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(strangerEnv); path != "" {
		strange(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// fake is a supervisor that notes what it was asked for.
type fake struct {
	*Feed
	stops chan bool
	exec  func(ctx context.Context, r ExecRequest) (ExecResult, error)
	guest func(ctx context.Context, keys session.GuestKeys) (net.Conn, error)

	lease    func(kind LeaseKind) (string, error)
	giveBack func(id string) (int, bool)
}

func newFake() *fake { return &fake{Feed: NewFeed("default"), stops: make(chan bool, 10)} }

func (f *fake) Status(context.Context) status.Status { return f.Feed.Status() }
func (f *fake) Actors() []status.Actor {
	return []status.Actor{{Path: "fleet"}, {Path: "fleet/default", State: "ready", Restarts: 1, Failure: "boom"}}
}
func (f *fake) Stop(kill bool) { f.stops <- kill }

func (f *fake) Exec(ctx context.Context, r ExecRequest) (ExecResult, error) { return f.exec(ctx, r) }

func (f *fake) Session(ctx context.Context, keys session.GuestKeys) (net.Conn, error) {
	return f.guest(ctx, keys)
}

func (f *fake) Lease(kind LeaseKind) (string, error) { return f.lease(kind) }
func (f *fake) Return(id string) (int, bool)         { return f.giveBack(id) }

// served is a supervisor at a socket, and a client of it.
func served(t *testing.T, path string, s Supervisor) (*Server, *Client) {
	t.Helper()
	v, err := Serve(path, s, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := v.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return v, NewClient(path)
}

func socketIn(t *testing.T) string { return filepath.Join(t.TempDir(), "control.sock") }

func state(name string) status.Event { return status.Event{Kind: status.StateEntered, State: name} }

func TestStatus(t *testing.T) {
	path, f := socketIn(t), newFake()
	f.Publish(state("preparing"))
	_, c := served(t, path, f)
	s, err := c.Status(t.Context())
	if err != nil || s.Instance != "default" || s.State != "preparing" || s.Seq != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
}

// The home of a user may be deeper than the address of a socket is long.
func TestActors(t *testing.T) {
	s := newFake()
	_, c := served(t, socketIn(t), s)
	all, err := c.Actors(t.Context())
	if err != nil || len(all) != 2 || all[1] != s.Actors()[1] {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	_, c := served(t, filepath.Join(dir, "control.sock"), newFake())
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEventsUntilTheEnd(t *testing.T) {
	f := newFake()
	f.Publish(state("preparing"))
	_, c := served(t, socketIn(t), f)
	var seen []string
	err := c.Events(t.Context(), 0, func(e status.Event) error {
		seen = append(seen, string(e.Kind)+" "+e.State)
		switch e.State {
		case "preparing":
			f.Publish(state("ready"))
		case "ready":
			f.Publish(status.Event{Kind: status.Ended, State: status.Stopped})
			f.Publish(state("after the end")) // nobody hears of it
		}
		return nil
	})
	if got := strings.Join(seen, ", "); err != nil || got != "state preparing, state ready, ended stopped" {
		t.Errorf("got %s, %v", got, err)
	}
	seen = nil
	err = c.Events(t.Context(), 2, func(e status.Event) error { seen = append(seen, string(e.Kind)); return nil })
	if got := strings.Join(seen, ", "); err != nil || got != "ended" {
		t.Errorf("after the second: got %s, %v", got, err)
	}
	enough := errors.New("enough")
	if err := c.Events(t.Context(), 0, func(status.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

// A reader that was too slow sees by the numbers that it has missed something.
func TestFeedForgetsTheOldest(t *testing.T) {
	f := NewFeed("default")
	for range keptEvents + 5 {
		f.Publish(state("preparing"))
	}
	f.Publish(status.Event{Kind: status.Ended})
	var first, n uint64
	for e := range f.Events(t.Context(), 0) {
		if n++; first == 0 {
			first = e.Seq
		}
	}
	if first != 7 || n != keptEvents {
		t.Errorf("%d events from number %d", n, first)
	}
}

// Of progress only the latest is told to who comes later; who follows hears of all of it.
func TestFeedKeepsTheLatestProgress(t *testing.T) {
	f := NewFeed("default")
	said := func(done int64) status.Event {
		return status.Event{Kind: status.Progressed, Progress: &status.Progress{Doing: "downloading", Done: done}}
	}
	f.Publish(state("pulling"))
	var followed []int64
	for e := range f.Events(t.Context(), 0) {
		switch {
		case e.Kind == status.StateEntered && e.State == "preparing":
			f.Publish(status.Event{Kind: status.Ended})
		case e.Kind == status.Progressed && e.Progress.Done == 3:
			followed = append(followed, e.Progress.Done)
			f.Publish(state("preparing"))
		case e.Kind == status.Progressed:
			followed = append(followed, e.Progress.Done)
			f.Publish(said(e.Progress.Done + 1))
		case e.Kind == status.StateEntered:
			f.Publish(said(1))
		}
	}
	var later []string
	for e := range f.Events(t.Context(), 0) {
		word := string(e.Kind)
		if e.Progress != nil {
			word += fmt.Sprint(" ", e.Progress.Done, " ", e.Seq)
		}
		later = append(later, word)
	}
	if got := fmt.Sprint(followed, later); got != "[1 2 3] [state progress 3 4 state ended]" {
		t.Errorf("got %s", got)
	}
}

func TestEventsOfASupervisorThatDies(t *testing.T) {
	f := newFake()
	f.Publish(state("preparing"))
	v, c := served(t, socketIn(t), f)
	err := c.Events(t.Context(), 0, func(status.Event) error { return v.http.Close() })
	if !errors.Is(err, ErrCutOff) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("got %v", err)
	}
}

func TestStop(t *testing.T) {
	f := newFake()
	_, c := served(t, socketIn(t), f)
	for _, kill := range []bool{false, true} {
		if err := c.Stop(t.Context(), kill); err != nil || <-f.stops != kill {
			t.Errorf("kill %v: %v", kill, err)
		}
	}
}

// The last word is heard, however fast the end is.
func TestStopAndFollow(t *testing.T) {
	f := newFake()
	f.Publish(state("ready"))
	v, c := served(t, socketIn(t), f)
	ended := make(chan error, 1)
	go func() {
		<-f.stops
		err := v.Hide()
		f.Publish(status.Event{Kind: status.Ended, State: status.Stopped, Cause: "cut off"})
		ended <- err
	}()
	var last status.Event
	err := c.StopAndFollow(t.Context(), 1, true, func(e status.Event) error { last = e; return nil })
	if err != nil || last.Cause != "cut off" || <-ended != nil {
		t.Errorf("got %+v, %v", last, err)
	}
	if err := c.StopAndFollow(t.Context(), 0, true, nil); !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("got %v", err)
	}
}

func TestExec(t *testing.T) {
	f := newFake()
	_, c := served(t, socketIn(t), f)
	f.exec = func(_ context.Context, r ExecRequest) (ExecResult, error) {
		return ExecResult{ExitCode: 7, Stdout: r.Stdin, Stderr: []byte(r.Path + " " + strings.Join(r.Args, " "))}, nil
	}
	r, err := c.Exec(t.Context(), ExecRequest{Path: "cat", Args: []string{"-n", "x y"}, Stdin: []byte{0, 255, '\n'}})
	if err != nil || r.ExitCode != 7 || string(r.Stdout) != "\x00\xff\n" || string(r.Stderr) != "cat -n x y" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := c.Exec(t.Context(), ExecRequest{}); err == nil {
		t.Error("no program is a program")
	}
	if _, err := c.Exec(t.Context(), ExecRequest{Path: "cat", Stdin: make([]byte, MaxInput+1)}); err == nil {
		t.Error("too much is not too much")
	}
	f.exec = func(context.Context, ExecRequest) (ExecResult, error) {
		return ExecResult{}, &Error{Code: CodeNoAgent, Message: "not now", Retryable: true, Hint: "later"}
	}
	_, err = c.Exec(t.Context(), ExecRequest{Path: "cat"})
	var e *Error
	if !errors.As(err, &e) || *e != (Error{CodeNoAgent, "not now", true, "later"}) {
		t.Errorf("got %v", err)
	}
	f.exec = func(context.Context, ExecRequest) (ExecResult, error) { return ExecResult{}, errors.New("bang") }
	if _, err = c.Exec(t.Context(), ExecRequest{Path: "cat"}); !errors.As(err, &e) || e.Code != CodeInternal || e.Message != "bang" {
		t.Errorf("got %v", err)
	}
}

// Who has given up is told to the supervisor, which need not wait any more.
func TestExecIsGivenUp(t *testing.T) {
	f := newFake()
	_, c := served(t, socketIn(t), f)
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan struct{})
	f.exec = func(ctx context.Context, _ ExecRequest) (ExecResult, error) {
		cancel()
		<-ctx.Done()
		close(told)
		return ExecResult{}, ctx.Err()
	}
	if _, err := c.Exec(ctx, ExecRequest{Path: "sleep"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-told
}

func TestNobodyIsThere(t *testing.T) {
	path := socketIn(t)
	if _, err := NewClient(path).Status(t.Context()); !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("no socket: got %v", err)
	}
	l, f, err := qemu.Listen(path) // as of a supervisor that was killed: the socket stays
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	f.Close()
	if _, err := NewClient(path).Status(t.Context()); !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("a dead socket: got %v", err)
	}
	v, c := served(t, path, newFake()) // which takes the place of the dead one
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	if err := v.Hide(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// A supervisor that was stopped with SIGSTOP accepts, and says nothing.
func TestUnresponsive(t *testing.T) {
	path := socketIn(t)
	l, f, err := qemu.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer f.Close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, ErrUnresponsive)
	defer cancel()
	c := NewClient(path)
	if _, err := c.Status(ctx); !errors.Is(err, ErrUnresponsive) {
		t.Errorf("got %v", err)
	}
	if pid, err := c.PID(t.Context()); err != nil || pid != os.Getpid() {
		t.Errorf("it is process %d, %v", pid, err)
	}
}

func TestStrangersAreNotAnswered(t *testing.T) {
	path := socketIn(t)
	l, f, err := qemu.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	turn := 0
	v := serve(path, ownersOnly{l, func(*net.UnixConn) bool { turn++; return turn > 1 }}, newFake(), "")
	defer v.Close(t.Context())
	c := NewClient(path)
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoSupervisor) {
		t.Errorf("a stranger: got %v", err)
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// strangerEnv makes the test binary connect to a socket, ask, print what it hears, and try it as a command would.
const strangerEnv = "STACKEMU_TEST_STRANGER"

func strange(path string) {
	c, err := qemu.DialUnix(context.Background(), path)
	if err != nil {
		fmt.Println("dial:", err)
		return
	}
	fmt.Fprint(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") // that may fail: it is the answer that counts
	text, _ := io.ReadAll(c)
	_ = c.Close()
	_, err = NewClient(path).Status(context.Background())
	fmt.Printf("heard %q, client: %v\n", text, err)
}

// A process of another user is refused by the socket's mode, and where it can connect all the same, by the kernel's word about it.
func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("only root can be somebody else")
	}
	path := socketIn(t)
	served(t, path, newFake())
	as := func(uid uint32) string {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe") // the way to the binary by its name is not for everybody
		cmd.Env = []string{strangerEnv + "=" + path, "GORACE=atexit_sleep_ms=0"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	const other = 65534
	dir := filepath.Dir(path)
	open := func() error { return errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)) }
	if err := open(); err != nil {
		t.Fatal(err)
	}
	if got := as(other); !strings.Contains(got, "dial: ") || !strings.Contains(got, "permission denied") {
		t.Errorf("of another user: %s", got)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := as(other); got != `heard "", client: `+ErrStranger.Error()+"\n" {
		t.Errorf("of another user who can connect: %s", got)
	}
	if got := as(0); !strings.Contains(got, `heard "HTTP/1.1 `) || !strings.Contains(got, "client: <nil>") {
		t.Errorf("of this one: %s", got)
	}
}

func TestPeerIsThisProcess(t *testing.T) {
	path := socketIn(t)
	served(t, path, newFake())
	conn, err := qemu.DialUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if uid, pid, err := peer(conn); err != nil || uid != os.Getuid() || pid != os.Getpid() {
		t.Errorf("got uid %d, pid %d, %v", uid, pid, err)
	}
}

func TestOtherVersions(t *testing.T) {
	path := socketIn(t)
	l, f, err := qemu.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	theirs, stopped := "2", false
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if theirs != "" {
			w.Header().Set(versionHeader, theirs)
		}
		w.Header().Set(programHeader, "9.0")
		stopped = stopped || r.URL.Path == "/v1/stop"
	})}
	go server.Serve(l)
	defer server.Close()
	c := NewClient(path)
	_, err = c.Status(t.Context())
	var v *VersionError
	if !errors.As(err, &v) || v.Theirs != "2" || v.Program != "9.0" || !strings.Contains(err.Error(), "stackemu 9.0") {
		t.Errorf("got %v", err)
	}
	if err := c.Stop(t.Context(), false); err != nil || !stopped {
		t.Errorf("any version can be stopped: %v", err)
	}
	var other *VersionError
	stopping := make(chan error, 1)
	go func() { stopping <- c.StopAndFollow(t.Context(), 0, false, nil) }()
	select {
	case err := <-stopping:
		t.Errorf("it is still there: %v", err)
	case <-time.After(2 * gonePoll):
	}
	l.Close()
	if err := <-stopping; !errors.As(err, &other) {
		t.Errorf("got %v", err)
	}
	if l, f, err = qemu.Listen(path); err != nil {
		t.Fatal(err)
	}
	f.Close()
	go server.Serve(l)
	theirs = ""
	if err := c.Stop(t.Context(), false); err == nil || !strings.Contains(err.Error(), "does not speak") {
		t.Errorf("got %v", err)
	}
}

// raw is a request as somebody else might make it.
func raw(t *testing.T, c *Client, method, path, version, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://control"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(versionHeader, version)
	response, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	err = read(response, nil)
	var e *Error
	if errors.As(err, &e) {
		return response.StatusCode, e.Code
	}
	return response.StatusCode, ""
}

func TestRefusals(t *testing.T) {
	f := newFake()
	_, c := served(t, socketIn(t), f)
	for _, x := range []struct {
		method, path, version, body string
		status                      int
		code                        string
	}{
		{"GET", "/v1/status", "1", "", 200, ""},
		{"GET", "/v1/status", "2", "", 412, CodeVersion},
		{"GET", "/v1/status", "", "", 412, CodeVersion},
		{"POST", "/v1/exec", "2", `{"path":"x"}`, 412, CodeVersion},
		{"POST", "/v1/stop", "2", `{"kill":true}`, 200, ""},
		{"POST", "/v1/stop", "1", ``, 200, ""},
		{"POST", "/v1/stop", "1", `{"kill":"yes"}`, 400, CodeRequest},
		{"POST", "/v1/stop", "1", `{"gently":true}`, 400, CodeRequest},
		{"POST", "/v1/stop", "1", `{} {}`, 400, CodeRequest},
		{"POST", "/v1/exec", "1", `{}`, 400, CodeRequest},
		{"GET", "/v1/events?after=-1", "1", "", 400, CodeRequest},
		{"GET", "/v2/status", "1", "", 404, CodeRequest},
		{"DELETE", "/v1/status", "1", "", 404, CodeRequest},
	} {
		if status, code := raw(t, c, x.method, x.path, x.version, x.body); status != x.status || code != x.code {
			t.Errorf("%s %s in version %q with %q: got %d %q, want %d %q", x.method, x.path, x.version, x.body, status, code, x.status, x.code)
		}
	}
	if n := len(f.stops); n != 2 {
		t.Errorf("%d stops, want 2", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"kill":true}`, `{"path":"sh","args":["-c","id"],"stdin":"AAE="}`, `{"path":1}`, `[`, `null`, `{} x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var e ExecRequest
		if err := decode(strings.NewReader(text), &e); err == nil && e.check() == nil && e.Path == "" {
			t.Errorf("%q is a request without a program", text)
		}
		var s stopRequest
		_ = decode(strings.NewReader(text), &s)
	})
}

func FuzzReadEvents(f *testing.F) {
	for _, seed := range []string{"", "{}\n", `{"seq":1,"kind":"state","state":"ready"}` + "\n" + `{"seq":2,"kind":"ended"}` + "\n", "null\n", "{", "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, last := status.New("default"), status.Kind("")
		err := readEvents(strings.NewReader(text), func(e status.Event) error {
			s, last = status.Apply(s, e), e.Kind
			return nil
		})
		if err == nil != (last == status.Ended) {
			t.Errorf("%q: the last event was %q, and the error %v", text, last, err)
		}
	})
}
