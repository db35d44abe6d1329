package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/guest/tools/containertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const app = "stack-app"

// serve makes a supervisord at a socket.
func serve(t *testing.T) (*containertest.Supervisord, string) {
	t.Helper()
	s := containertest.NewSupervisord(app)
	path := socketPath(t)
	s.Listen(t, path)
	return s, path
}

// socketPath is short: it has 107 bytes at most.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func TestRestart(t *testing.T) {
	for name, test := range map[string]struct {
		state int
		calls []string
	}{
		"it runs":    {containertest.Running, []string{"stopProcess", "startProcess"}},
		"it starts":  {containertest.Starting, []string{"stopProcess", "startProcess"}},
		"it is down": {containertest.Stopped, []string{"stopProcess", "getProcessInfo", "startProcess"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, path := serve(t)
			s.Set(app, test.state)
			if err := New(path).Restart(t.Context(), app); err != nil {
				t.Fatal(err)
			}
			if calls := s.Calls(app); !slices.Equal(calls, test.calls) || s.State(app) != containertest.Running {
				t.Errorf("calls = %q and state %d, want %q and a program that runs", calls, s.State(app), test.calls)
			}
		})
	}
}

// Whoever has told the program to end may have been killed. A start would do nothing yet, and supervisord would not say so.
func TestRestartOfWhatIsBeingStopped(t *testing.T) {
	s, path := serve(t)
	c := New(path)
	ending, end := make(chan struct{}), make(chan struct{})
	s.OnStop = func(string) {
		close(ending)
		<-end
	}
	first, cancel := context.WithCancel(t.Context())
	died := make(chan error, 1)
	go func() { died <- c.Restart(first, app) }()
	<-ending
	cancel()
	if err := <-died; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first: %v", err)
	}
	again := make(chan error, 1)
	second := New(path)
	go func() { again <- second.Restart(t.Context(), app) }()
	for !slices.Contains(s.Calls(app), "getProcessInfo") {
		select {
		case err := <-again:
			t.Fatalf("the second did not wait: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	close(end)
	if err := <-again; err != nil {
		t.Fatal(err)
	}
	if s.State(app) != containertest.Running {
		t.Error("it does not run")
	}
}

func TestRestartGivesUp(t *testing.T) {
	s, path := serve(t)
	s.Set(app, containertest.Stopping)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := New(path).Restart(ctx, app); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
}

// supervisord starts what has ended by itself: after the stop, so that is as good.
func TestStartedMeanwhile(t *testing.T) {
	path := socketPath(t)
	script(t, path, says(yes), says(fault(containertest.AlreadyStarted)))
	if err := New(path).Restart(t.Context(), app); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		answers []answer // none: nobody listens
		want    error
		text    string
	}{
		"nobody listens":   {nil, ErrAbsent, "refused"},
		"shutting down":    {[]answer{says(fault(containertest.ShutdownState))}, ErrEnding, "fault 6"},
		"then it is":       {[]answer{says(yes), says(fault(containertest.ShutdownState))}, ErrEnding, "fault 6"},
		"breaks off":       {[]answer{breakOff}, ErrEnding, "EOF"},
		"in the answer":    {[]answer{halfAnAnswer}, ErrEnding, "EOF"},
		"no such program":  {[]answer{says(fault(containertest.BadName))}, nil, "fault 10: text"},
		"another server":   {[]answer{http.NotFound}, nil, "404"},
		"another language": {[]answer{says("{}")}, errAnswer, "not an XML-RPC answer"},
		"half an answer":   {[]answer{says(yes[:50])}, errAnswer, "not an XML-RPC answer"},
		"no end":           {[]answer{says(strings.Repeat(" ", maxAnswer) + yes)}, errAnswer, "not an XML-RPC answer"},
		"no state":         {[]answer{says(fault(containertest.NotRunning)), says(yes)}, errAnswer, "no state"},
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			if test.answers == nil {
				abandon(t, path)
			} else {
				script(t, path, test.answers...)
			}
			err := New(path).Restart(t.Context(), app)
			if err == nil || !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), app) {
				t.Fatalf("err = %v, want %q and the name of the program", err, test.text)
			}
			for _, is := range []error{ErrAbsent, ErrEnding, errAnswer} {
				if errors.Is(err, is) != (is == test.want) {
					t.Errorf("err = %v, want %v and no other", err, test.want)
				}
			}
		})
	}
	if err := New(socketPath(t)).Restart(t.Context(), app); !errors.Is(err, ErrAbsent) {
		t.Errorf("without a socket: %v, want ErrAbsent", err)
	}
}

type answer = func(http.ResponseWriter, *http.Request)

func says(body string) answer {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

func breakOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func halfAnAnswer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "200")
	fmt.Fprint(w, head)
}

func fault(code int) string {
	return fmt.Sprintf("%s<member><name>faultCode</name><value><int>%d</int></value></member>"+
		"<member><name>faultString</name><value><string>text</string></value></member>%s", faultHead, code, faultEnd)
}

// script gives one answer after the other, whatever is asked.
func script(t *testing.T, path string, answers ...answer) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan answer, len(answers))
	for _, a := range answers {
		next <- a
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (<-next)(w, r) }))
	_ = server.Listener.Close() // a TCP one, of which there is no need
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
}

// abandon leaves a socket that nobody listens at.
func abandon(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
