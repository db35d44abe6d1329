package ui

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a page about instances of which only folders are there.
type served struct {
	*testing.T
	*Server
	client http.Client
	acts   chan string
	finish chan error // what an action returns
}

func serve(t *testing.T, names ...string) *served {
	t.Helper()
	h := home.New(t.TempDir())
	for _, name := range names {
		files, err := h.Instance(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.Create(); err != nil {
			t.Fatal(err)
		}
	}
	s := &served{T: t, acts: make(chan string, 10), finish: make(chan error, 10), client: http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	var err error
	s.Server, err = Serve(Options{Home: h,
		Inspect: func(ctx context.Context, name string) (status.Status, error) {
			if name == "odd" {
				return status.Status{}, errors.New("cannot be asked")
			}
			files, err := h.Instance(name)
			if err != nil {
				return status.Status{}, err
			}
			now, err := control.NewClient(files.ControlSock).Status(ctx)
			if err != nil {
				return status.New(name), nil
			}
			now.Supervisor = &status.Supervisor{PID: 7}
			return now, nil
		},
		Act: func(name string, action Action) error {
			s.acts <- name + " " + string(action)
			return <-s.finish
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends a request with the token, changed as the test wants it.
func (s *served) ask(method, path string, change func(*http.Request)) (int, string) {
	s.Helper()
	answer := s.open(method, path, change)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func (s *served) open(method, path string, change func(*http.Request)) *http.Response {
	s.Helper()
	r, err := http.NewRequest(method, "http://"+s.address+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	if change != nil {
		change(r)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	return answer
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// Who has no token, comes from another page, or calls the server by another name is refused, whatever is asked for.
func TestStrangersAreRefused(t *testing.T) {
	s := serve(t, "default")
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	const post, live = "/api/instances/default/stop", "/api/live?instance=default&log=events"
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, c := range map[string]struct {
		method, path string
		change       func(*http.Request)
		want         int
	}{
		"no token":                    {"POST", post, func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		"another token":               {"POST", post, header("Authorization", "Bearer "+strings.Repeat("A", 26)), 401},
		"the token in another way":    {"POST", post + "?token=" + s.token, func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		"the stream without token":    {"GET", live, func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		"another page":                {"POST", post, header("Origin", "http://evil.example"), 403},
		"another port":                {"POST", post, header("Origin", "http://127.0.0.1:1"), 403},
		"a page of a file":            {"POST", post, header("Origin", "null"), 403},
		"another page reads":          {"GET", live, header("Origin", "http://evil.example"), 403},
		"a browser says cross-site":   {"POST", post, header("Sec-Fetch-Site", "cross-site"), 403},
		"a browser says same-site":    {"POST", post, header("Sec-Fetch-Site", "same-site"), 403},
		"a name that was led here":    {"POST", post, host("evil.example:" + port), 421},
		"its page":                    {"GET", "/", host("evil.example:" + port), 421},
		"its page as its own":         {"POST", post, func(r *http.Request) { r.Host = "evil.example:" + port; r.Header.Set("Origin", "http://"+r.Host) }, 421},
		"no port":                     {"GET", "/", host("127.0.0.1"), 421},
		"another address":             {"GET", "/", host("[::1]:" + port), 421},
		"an action that must be told": {"GET", post, nil, 405},
		"a form":                      {"PUT", post, nil, 405},
		"nothing to do":               {"POST", "/api/instances/default/destroy", nil, 404},
		"nobody":                      {"POST", "/api/instances/..%2f..%2fetc/stop", nil, 404},
		"no log":                      {"GET", "/api/live?instance=default&log=passwd", nil, 400},
		"no instance":                 {"GET", "/api/live?instance=../x&log=events", nil, 400},
		"no file":                     {"GET", "/server.go", nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			if got, body := s.ask(c.method, c.path, c.change); got != c.want {
				t.Errorf("%d %s, want %d", got, body, c.want)
			}
		})
	}
	if len(s.acts) > 0 {
		t.Errorf("it has done %q", <-s.acts)
	}
	for name, change := range map[string]func(*http.Request){"localhost": host("localhost:" + port), "its own page": header("Origin", "http://"+s.address), "same-origin": header("Sec-Fetch-Site", "same-origin")} {
		s.finish <- nil
		if got, body := s.ask("POST", post, change); got != 200 || <-s.acts != "default stop" {
			t.Errorf("%s: %d %s", name, got, body)
		}
	}
}

// The page asks for its own files only, runs nothing that stands in it, and says so to the browser.
func TestPageIsItsOwn(t *testing.T) {
	s := serve(t)
	answer := s.open("GET", "/", nil)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	csp := answer.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") ||
		answer.Header.Get("Referrer-Policy") != "no-referrer" || len(answer.Cookies()) > 0 {
		t.Errorf("got %v", answer.Header)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(string(body), -1) {
		if m[1] == "data:," {
			continue
		}
		if code, _ := s.ask("GET", "/"+m[1], func(r *http.Request) { r.Header.Del("Authorization") }); code != 200 || strings.Contains(m[1], "/") {
			t.Errorf("%s: %d", m[1], code)
		}
	}
	if found := regexp.MustCompile(`<script>|\son[a-z]+=|style=|{{`).Find(body); found != nil {
		t.Errorf("%s is in the page", found)
	}
}

func TestURL(t *testing.T) {
	s := serve(t)
	u, err := url.Parse(s.URL("pr-42"))
	if err != nil || u.Host != s.address || u.RawQuery != "" || !strings.Contains(u.Fragment, s.token) || !strings.Contains(u.Fragment, "instance=pr-42") {
		t.Errorf("%s, %v", u, err)
	}
	if other := serve(t); other.token == s.token {
		t.Error("two runs have one token")
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(Options{Port: port}); err == nil || !strings.HasPrefix(err.Error(), "ui: ") {
		t.Errorf("a port that is taken: %v", err)
	}
}

// One thing is done to an instance at a time, and what cannot be done says why.
func TestActions(t *testing.T) {
	s := serve(t, "default")
	first := make(chan string)
	go func() {
		r := httptest.NewRecorder()
		request := httptest.NewRequest("POST", "http://"+s.address+"/api/instances/default/start", nil)
		request.Header.Set("Authorization", "Bearer "+s.token)
		s.http.Handler.ServeHTTP(r, request)
		first <- fmt.Sprint(r.Code, " ", strings.TrimSpace(r.Body.String()))
	}()
	if got := <-s.acts; got != "default start" {
		t.Errorf("it does %q", got)
	}
	if code, body := s.ask("POST", "/api/instances/default/reset", nil); code != 409 || !strings.Contains(body, "a start is going on") {
		t.Errorf("%d %s", code, body)
	}
	s.finish <- &control.Error{Code: "no_image", Message: "there is no image"}
	if got := <-first; got != `502 {"code":"no_image","message":"there is no image","retryable":false}` {
		t.Errorf("got %s", got)
	}
	s.finish <- errors.New("boom")
	if code, body := s.ask("POST", "/api/instances/default/reset", nil); code != 502 || !strings.Contains(body, `"message":"boom"`) {
		t.Errorf("%d %s", code, body)
	}
}

// An action goes on when the page is closed.
func TestActionOutlivesThePage(t *testing.T) {
	s := serve(t, "default")
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(ctx, "POST", "http://"+s.address+"/api/instances/default/stop", nil)
		if err != nil {
			gone <- err
			return
		}
		r.Header.Set("Authorization", "Bearer "+s.token)
		_, err = s.client.Do(r)
		gone <- err
	}()
	<-s.acts
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if code, _ := s.ask("POST", "/api/instances/default/start", nil); code != 409 {
		t.Errorf("%d: it does not go on", code)
	}
	s.finish <- nil
}

// frames reads what a page is told.
type frames struct {
	*testing.T
	lines *bufio.Scanner
}

func (s *served) live(query string) frames {
	s.Helper()
	answer := s.open("GET", "/api/live?"+query, nil)
	s.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != 200 {
		s.Fatal(answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 8<<20)
	return frames{s.T, lines}
}

// told is a frame as the page reads it.
type told struct {
	Instances []struct{ Instance, State, Cause, Doing string }
	Actors    []status.Actor
	Timeline  *struct {
		Fresh   bool
		Records []struct{ Type string }
	}
	Log string
}

func (f frames) until(what string, fits func(told) bool) {
	f.Helper()
	for f.lines.Scan() {
		var frame told
		if err := json.Unmarshal(f.lines.Bytes(), &frame); err != nil {
			f.Fatal(err)
		}
		if fits(frame) {
			return
		}
	}
	f.Fatalf("%s was not told: %v", what, f.lines.Err())
}

// supervised is a supervisor of an instance, as its socket shows it.
type supervised struct {
	control.Supervisor
	feed *control.Feed
}

func (s supervised) Status(context.Context) status.Status { return s.feed.Status() }
func (s supervised) Events(ctx context.Context, after uint64) iter.Seq[status.Event] {
	return s.feed.Events(ctx, after)
}
func (s supervised) Actors() []status.Actor {
	return []status.Actor{{Path: "fleet"}, {Path: "fleet/default", State: "ready"}}
}

// A page is told what is there, and what happens: to the instances, in the message log, and in the log that it shows.
func TestLive(t *testing.T) {
	s := serve(t, "default", "odd")
	files, err := s.o.Home.Instance("default")
	if err != nil {
		t.Fatal(err)
	}
	f := s.live("instance=default&log=serial")
	f.until("all instances", func(x told) bool {
		return len(x.Instances) == 2 && x.Instances[0].Instance == "default" && x.Instances[1].Cause == "cannot be asked"
	})
	if err := os.WriteFile(files.SerialLog, []byte("the guest speaks\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.until("the log", func(x told) bool { return strings.Contains(x.Log, "the guest speaks\n") })
	record := `{"time":"2026-11-23T10:00:00Z","seq":7,"instance":"default","to":"fleet/default","type":"Launch","state":"absent","next":"preparing"}` + "\n"
	if err := os.WriteFile(files.MessagesLog, []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	f.until("the timeline", func(x told) bool {
		return x.Timeline != nil && x.Timeline.Fresh && x.Timeline.Records[0].Type == "Launch"
	})
	stop, err := http.NewRequest("POST", "http://"+s.address+"/api/instances/odd/stop", nil)
	if err != nil {
		t.Fatal(err)
	}
	stop.Header.Set("Authorization", "Bearer "+s.token)
	go func() {
		if answer, err := s.client.Do(stop); err == nil {
			answer.Body.Close()
		}
	}()
	<-s.acts
	f.until("what is being done", func(x told) bool { return len(x.Instances) == 2 && x.Instances[1].Doing == "stop" })
	s.finish <- nil
	f.until("that it is done", func(x told) bool { return len(x.Instances) == 2 && x.Instances[1].Doing == "" })
}

// Events of a supervisor are heard at once, and told in words.
func TestLiveEvents(t *testing.T) {
	s := serve(t, "default")
	files, err := s.o.Home.Instance("default")
	if err != nil {
		t.Fatal(err)
	}
	feed := control.NewFeed("default")
	server, err := control.Serve(files.ControlSock, supervised{feed: feed}, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.Background()) })
	f := s.live("instance=default&log=events")
	f.until("the actors", func(x told) bool { return len(x.Actors) == 2 && x.Actors[1].State == "ready" })
	feed.Publish(status.Event{Kind: status.StateEntered, State: "probing", ElapsedMS: 1500})
	f.until("the event", func(x told) bool { return strings.Contains(x.Log, "probing after 1.50 s") })
	feed.Publish(status.Event{Kind: status.ServiceChanged, Service: "backend", Detail: "status 503"})
	f.until("illness", func(x told) bool { return strings.Contains(x.Log, "backend not healthy: status 503") })
	feed.Publish(status.Event{Kind: status.Noted, Text: "no kvm"})
	f.until("a notice", func(x told) bool { return strings.Contains(x.Log, "no kvm") })
	feed.Publish(status.Event{Kind: status.Ended, State: status.Failed, Cause: "default: no room"})
	f.until("the end", func(x told) bool { return strings.Contains(x.Log, "failed ! default: no room") })
}

// The end of the server is the end of all that it tells.
func TestCloseEndsLive(t *testing.T) {
	s := serve(t, "default")
	f := s.live("instance=default&log=qemu")
	f.until("something", func(told) bool { return true })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for f.lines.Scan() {
	}
}
