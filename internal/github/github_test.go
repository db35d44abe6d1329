package github_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/github/githubtest"
)

func TestMain(m *testing.M) {
	if api := os.Getenv(childVariable); api != "" {
		child(api)
		return
	}
	goleak.VerifyTestMain(m)
}

const workflow = "qemu-emulator-build.yaml"

var repo = github.Repo{Owner: "stack-auth", Name: "stack-auth"}

func client(t *testing.T, s *githubtest.Server, token string) *github.Client {
	t.Helper()
	c, err := github.New(github.Options{API: s.API.URL, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRelease(t *testing.T) {
	s := githubtest.New(t)
	id := s.Release("emulator-feat/x-latest", "stack-emulator-amd64.qcow2", []byte("disk"))
	c := client(t, s, "secret")
	r, err := c.Release(t.Context(), repo, "emulator-feat/x-latest")
	if err != nil {
		t.Fatal(err)
	}
	a, ok := r.Asset("stack-emulator-amd64.qcow2")
	if !ok || a.Size != 4 || a.Digest != githubtest.Digest([]byte("disk")) || a.ID != int64(id) || r.Draft || r.PreRelease {
		t.Errorf("%+v", r)
	}
	link, err := c.AssetURL(t.Context(), repo, a.ID)
	if err != nil || !strings.HasPrefix(link, s.Store.URL) {
		t.Fatal(link, err)
	}
	answer, err := http.Get(link)
	if err != nil || answer.StatusCode != 200 {
		t.Fatal(answer, err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

func TestReleases(t *testing.T) {
	s := githubtest.New(t)
	for n := range 150 {
		s.Release(fmt.Sprintf("v%d", n), "x", nil)
		if n%50 == 0 {
			s.ReleaseOf(githubtest.Repo, fmt.Sprintf("emulator-%d", n), map[int]string{0: "draft", 50: "prerelease"}[n], nil)
		}
	}
	c := client(t, s, "")
	keep := func(r github.Release) bool { return strings.HasPrefix(r.Tag, "emulator-") }
	all, err := c.Releases(t.Context(), repo, 10, keep)
	if err != nil || len(all) != 3 || all[0].Tag != "emulator-100" || !all[1].PreRelease || !all[2].Draft || all[2].Published.IsZero() {
		t.Errorf("%+v, %v", all, err)
	}
	if one, err := c.Releases(t.Context(), repo, 1, keep); err != nil || len(one) != 1 {
		t.Errorf("%+v, %v", one, err)
	}
	if latest, err := c.LatestTag(t.Context(), repo); err != nil || latest != "v149" {
		t.Errorf("%q, %v", latest, err)
	}
	if latest, err := c.LatestTag(t.Context(), github.Repo{Owner: "no", Name: "body"}); err != nil || latest != "" {
		t.Errorf("%q, %v", latest, err)
	}
}

func TestPullRequest(t *testing.T) {
	const fork = "somebody/stack-auth"
	s := githubtest.New(t)
	s.Pull(1, "patch", githubtest.Repo)
	s.Pull(2, "patch", fork)
	s.Pull(3, "patch", "")
	s.Run(10, githubtest.Repo, "patch", githubtest.Repo, "success")
	s.Run(11, githubtest.Repo, "patch", githubtest.Repo, "failure")
	s.Run(12, githubtest.Repo, "patch", fork, "success")
	s.Artifact(10, "qemu-emulator-arm64", []byte("zip"), true)
	s.Artifact(10, "qemu-emulator-amd64", []byte("zip!"), false)
	c := client(t, s, "secret")
	for number, want := range map[int]int64{1: 10, 2: 12} {
		p, err := c.PullRequest(t.Context(), repo, number)
		if err != nil {
			t.Fatal(err)
		}
		run, err := c.LatestRun(t.Context(), repo, workflow, p.Branch, p.Head)
		if err != nil || run.ID != want {
			t.Errorf("%d: %+v, %v", number, run, err)
		}
	}
	if p, err := c.PullRequest(t.Context(), repo, 3); err != nil || p.Head != (github.Repo{}) {
		t.Errorf("%+v, %v", p, err)
	}
	a, err := c.Artifact(t.Context(), repo, 10, "qemu-emulator-amd64")
	if err != nil || a.Size != 4 || a.Digest != githubtest.Digest([]byte("zip!")) {
		t.Errorf("%+v, %v", a, err)
	}
	if link, err := c.ArtifactURL(t.Context(), repo, a.ID); err != nil || !strings.HasPrefix(link, s.Store.URL) {
		t.Error(link, err)
	}
	if _, err := c.Artifact(t.Context(), repo, 10, "qemu-emulator-arm64"); !errors.Is(err, github.ErrExpired) {
		t.Error(err)
	}
	if _, err := c.Artifact(t.Context(), repo, 10, "other"); !errors.Is(err, github.ErrNotFound) || !strings.Contains(err.Error(), "2 artifacts: qemu-emulator-arm64, qemu-emulator-amd64") {
		t.Error(err)
	}
	if _, err := c.LatestRun(t.Context(), repo, workflow, "other", repo); !errors.Is(err, github.ErrNotFound) {
		t.Error(err)
	}

	s.Run(20, fork, "own", fork, "success") // the fork's own run
	if run, err := c.LatestRun(t.Context(), repo, workflow, "own", github.Repo{Owner: "somebody", Name: "stack-auth"}); err != nil || run.ID != 20 || run.Repo.Owner != "somebody" {
		t.Errorf("%+v, %v", run, err)
	}
}

func TestArtifactsNeedAToken(t *testing.T) {
	s := githubtest.New(t)
	c := client(t, s, "")
	_, err := c.Artifact(t.Context(), repo, 1, "x")
	_, err2 := c.ArtifactURL(t.Context(), repo, 1)
	for _, err := range []error{err, err2} {
		if !errors.Is(err, github.ErrNeedsToken) || !strings.Contains(err.Error(), "set GITHUB_TOKEN, or run `gh auth login`") {
			t.Error(err)
		}
	}
	if asked := s.Asked(); len(asked) > 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	reset := time.Now().Add(42 * time.Minute)
	for name, c := range map[string]struct {
		token string
		fault func(w http.ResponseWriter)
		want  string
	}{
		"401":                  {"wrong", func(w http.ResponseWriter) { w.WriteHeader(401) }, "the token is wrong or has expired"},
		"403":                  {"t", func(w http.ResponseWriter) { w.WriteHeader(403) }, "the token lacks a right"},
		"403 without":          {"", func(w http.ResponseWriter) { w.WriteHeader(403) }, "set GITHUB_TOKEN"},
		"404":                  {"t", func(w http.ResponseWriter) { w.WriteHeader(404) }, "not found (404); is it spelled right?"},
		"404 without":          {"", func(w http.ResponseWriter) { w.WriteHeader(404) }, "set GITHUB_TOKEN"},
		"501":                  {"", func(w http.ResponseWriter) { w.WriteHeader(501) }, "501 Not Implemented; try again later"},
		"rate limit":           {"t", func(w http.ResponseWriter) { githubtest.RateLimit(w, reset) }, "the limit ends at " + reset.Local().Format(time.TimeOnly)},
		"rate limit without":   {"", func(w http.ResponseWriter) { githubtest.RateLimit(w, reset) }, "with a token there are more"},
		"secondary rate limit": {"t", func(w http.ResponseWriter) { githubtest.SecondaryRateLimit(w, time.Hour) }, "(in 1h0m0s)"},
		"429":                  {"t", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "7200"); w.WriteHeader(429) }, "(in 2h0m0s)"},
		"redirect":             {"t", func(w http.ResponseWriter) { w.Header().Set("Location", "http://other.invalid/"); w.WriteHeader(301) }, "another host (other.invalid)"},
		"no JSON":              {"t", func(w http.ResponseWriter) { fmt.Fprint(w, "<html>Sign in to the hotel's network</html>") }, "github: release x of stack-auth/stack-auth: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.New(t)
			s.Faults(func(w http.ResponseWriter, _ *http.Request) bool { c.fault(w); return true })
			_, err := client(t, s, c.token).Release(t.Context(), repo, "x")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "github: release x of stack-auth/stack-auth: ") {
				t.Error(err)
			}
			if _, ok := errors.AsType[*github.Error](err); !ok {
				t.Errorf("%T", err)
			}
		})
	}
}

func TestServerErrorsAreTriedAgain(t *testing.T) {
	s := githubtest.New(t)
	s.Release("x", "y", nil)
	var n atomic.Int32
	s.Faults(func(w http.ResponseWriter, _ *http.Request) bool {
		switch n.Add(1) {
		case 1:
			w.WriteHeader(502)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			githubtest.SecondaryRateLimit(w, time.Second)
		default:
			return false
		}
		return true
	})
	if _, err := client(t, s, "").Release(t.Context(), repo, "x"); err != nil || n.Load() != 4 {
		t.Errorf("%v after %d", err, n.Load())
	}
}

func TestInterrupted(t *testing.T) {
	s := githubtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.Faults(func(w http.ResponseWriter, r *http.Request) bool { cancel(); <-r.Context().Done(); return true })
	if _, err := client(t, s, "").Release(ctx, repo, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A link that is none, and a file without a redirect.
func TestLinks(t *testing.T) {
	for name, fault := range map[string]func(w http.ResponseWriter){
		"file":    func(w http.ResponseWriter) { w.Header().Set("Location", "file:///etc/passwd"); w.WriteHeader(302) },
		"nowhere": func(w http.ResponseWriter) { w.WriteHeader(302) },
		"no link": func(w http.ResponseWriter) { fmt.Fprint(w, "here it is") },
		"401":     func(w http.ResponseWriter) { w.WriteHeader(401) },
	} {
		s := githubtest.New(t)
		s.Faults(func(w http.ResponseWriter, _ *http.Request) bool { fault(w); return true })
		if link, err := client(t, s, "t").ArtifactURL(t.Context(), repo, 7); err == nil || link != "" {
			t.Errorf("%s: %q", name, link)
		}
	}
}

func TestTokenNeedsEncryption(t *testing.T) {
	for api, ok := range map[string]bool{"http://github.corp/api/v3": false, "https://github.corp/api/v3": true, "http://127.0.0.1:80": true, "http://localhost:1": true,
		"ftp://x": false, "::": false, "https://u:p@x": false, "x": false, "": true} {
		_, err := github.New(github.Options{API: api, Token: "secret"})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", api, err)
		}
	}
}

func TestParseRepo(t *testing.T) {
	for s, ok := range map[string]bool{"a/b": true, "stack-auth/stack-auth": true, "a/.": false, "a/..": false, "a": false, "a/b/c": false, "-a/b": false, "a/b c": false, "": false, "a/b?x": false} {
		if r, err := github.ParseRepo(s); (err == nil) != ok || ok && r.String() != s {
			t.Errorf("%q: %v, %v", s, r, err)
		}
	}
}

func TestFindToken(t *testing.T) {
	env := func(m map[string]string) func(string) (string, bool) {
		return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	find := func(m map[string]string, api string) string {
		token, from := github.FindToken(t.Context(), env(m), api)
		return token + " " + from
	}
	if got := find(nil, ""); got != " " {
		t.Errorf("got %q", got)
	}
	gh := "#!/bin/sh\n[ \"$*\" = 'auth token --hostname github.corp' ] && echo from-gh || exit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "gh"), []byte(gh), 0o700); err != nil {
		t.Fatal(err)
	}
	for want, got := range map[string]string{
		"one GITHUB_TOKEN": find(map[string]string{"GITHUB_TOKEN": " one\n", "GH_TOKEN": "two"}, ""),
		"two GH_TOKEN":     find(map[string]string{"GITHUB_TOKEN": "", "GH_TOKEN": "two"}, ""),
		"from-gh gh":       find(nil, "https://github.corp/api/v3"),
		" ":                find(nil, github.DefaultAPI),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzAnswers: whatever the API answers is a release or an error.
func FuzzAnswers(f *testing.F) {
	f.Add(uint16(0), []byte(`{"tag_name":"x","assets":[{"name":"a","size":-1,"digest":"sha256:zz","state":"uploaded"}]}`))
	f.Add(uint16(0), []byte(`{"assets":[null]}`))
	f.Add(uint16(203), []byte(`{"message":7}`))
	f.Fuzz(func(t *testing.T, code uint16, body []byte) {
		synctest.Test(t, func(t *testing.T) { // what is asked again is so after a pause
			answers(t, 200+int(code)%400, body)
		})
	})
}

func answers(t *testing.T, code int, body []byte) {
	c, err := github.New(github.Options{API: "http://127.0.0.1", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if release, err := c.Release(t.Context(), repo, "x"); code >= 300 && err == nil {
		t.Errorf("status %d: %+v", code, release)
	}
}
