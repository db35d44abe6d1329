// Package githubtest is GitHub for tests: an API with the shapes of the real one (version 2022-11-28), and an object store at
// another address that its links lead to. It gives ranges and ETags as the real store does, and faults can be put before both.
package githubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Repo is the repository that a [Server] has when nothing else is said.
const Repo = "stack-auth/stack-auth"

// Server is a fake GitHub.
type Server struct {
	API, Store *httptest.Server

	mu       sync.Mutex
	t        testing.TB
	token    string // that the API knows; "" for any
	releases []release
	pulls    map[string]pull
	runs     []run
	objects  map[string]*Object
	fault    func(w http.ResponseWriter, r *http.Request) bool
	links    int
	asked    []string
}

// Object is a file in the store.
type Object struct {
	ID   int
	Body []byte
	ETag string
}

type release struct {
	repo, tag         string
	draft, prerelease bool
	created           time.Time
	assets            []asset
}

type asset struct {
	id     int
	name   string
	body   []byte
	digest string
	state  string
}

type pull struct {
	branch, head string // head is "" when the fork is gone
}

type run struct {
	id           int
	repo, branch string
	head, result string
	workflow     string
	artifacts    []artifact
}

type artifact struct {
	id      int
	name    string
	body    []byte
	expired bool
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{t: t, pulls: map[string]pull{}, objects: map[string]*Object{}}
	s.API = httptest.NewServer(http.HandlerFunc(s.api))
	s.Store = httptest.NewServer(http.HandlerFunc(s.store))
	t.Cleanup(s.API.Close)
	t.Cleanup(s.Store.Close)
	return s
}

// Digest is what GitHub says of a file.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Token makes the API refuse every other one.
func (s *Server) Token(token string) { s.locked(func() { s.token = token }) }

// Faults are put before both servers; a fault that handles a request says so.
func (s *Server) Faults(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.locked(func() { s.fault = f })
}

// OfStore says whether a request is the store's.
func OfStore(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/store/") }

// Asked are the requests so far, as "GET /path".
func (s *Server) Asked() (all []string) {
	s.locked(func() { all = append(all, s.asked...) })
	return all
}

func (s *Server) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Release publishes a release with one asset, whose id it returns. A release of the same tag is replaced.
func (s *Server) Release(tag, name string, body []byte) (id int) {
	return s.ReleaseOf(Repo, tag, "", map[string][]byte{name: body})[name]
}

// ReleaseOf publishes a release of a kind: "", "draft" or "prerelease".
func (s *Server) ReleaseOf(repo, tag, kind string, files map[string][]byte) map[string]int {
	ids := map[string]int{}
	s.locked(func() {
		r := release{repo: repo, tag: tag, draft: kind == "draft", prerelease: kind == "prerelease", created: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}
		for name, body := range files {
			id := s.put("asset", body)
			ids[name] = id
			r.assets = append(r.assets, asset{id: id, name: name, body: body, digest: Digest(body), state: "uploaded"})
		}
		for n, old := range s.releases {
			if old.repo == repo && old.tag == tag {
				s.releases[n] = r
				return
			}
		}
		s.releases = append([]release{r}, s.releases...)
	})
	return ids
}

// Announce changes the digest that the API tells of an asset.
func (s *Server) Announce(id int, digest string) {
	s.locked(func() {
		for _, r := range s.releases {
			for n := range r.assets {
				if r.assets[n].id == id {
					r.assets[n].digest = digest
				}
			}
		}
	})
}

// Pull opens a pull request from a branch of a repository; head "" is a fork that is gone.
func (s *Server) Pull(number int, branch, head string) {
	s.locked(func() { s.pulls[fmt.Sprintf("%s#%d", Repo, number)] = pull{branch, head} })
}

// Run makes a run in a repository, newer than the ones before. The result is "success", "failure" or "" while it runs.
func (s *Server) Run(id int, repo, branch, head, result string) {
	s.locked(func() {
		s.runs = append([]run{{id: id, repo: repo, branch: branch, head: head, result: result, workflow: "qemu-emulator-build.yaml"}}, s.runs...)
	})
}

// Artifact adds a zip file to a run, and returns its id.
func (s *Server) Artifact(runID int, name string, body []byte, expired bool) (id int) {
	s.locked(func() {
		id = s.put("artifact", body)
		for n := range s.runs {
			if s.runs[n].id == runID {
				s.runs[n].artifacts = append(s.runs[n].artifacts, artifact{id, name, body, expired})
			}
		}
	})
	return id
}

func (s *Server) put(kind string, body []byte) (id int) {
	id = 100 + len(s.objects)
	s.objects[fmt.Sprintf("%s-%d", kind, id)] = &Object{ID: id, Body: body, ETag: fmt.Sprintf(`"0x%X"`, sha256.Sum256(body))[:18] + `"`}
	return id
}

// Replace changes what lies in the store.
func (s *Server) Replace(id int, body []byte) {
	s.locked(func() {
		for _, o := range s.objects {
			if o.ID == id {
				o.Body, o.ETag = body, fmt.Sprintf(`"0x%X"`, sha256.Sum256(body))[:18]+`"`
			}
		}
	})
}

func (s *Server) faulty(w http.ResponseWriter, r *http.Request) bool {
	var fault func(http.ResponseWriter, *http.Request) bool
	s.locked(func() {
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		fault = s.fault
	})
	return fault != nil && fault(w, r)
}

// store is the object store: it serves signed links, and refuses who shows a token.
func (s *Server) store(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		s.t.Errorf("a token was sent to the object store: %s", r.URL.Path)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if s.faulty(w, r) {
		return
	}
	var o Object
	s.locked(func() {
		if found := s.objects[strings.TrimPrefix(r.URL.Path, "/store/")]; found != nil {
			o = *found
		}
	})
	if o.Body == nil || r.URL.Query().Get("sig") == "" {
		w.Header().Set("x-ms-error-code", "AuthenticationFailed")
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("ETag", o.ETag)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0")
	http.ServeContent(w, r, "", time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), bytes.NewReader(o.Body))
}

func (s *Server) redirect(w http.ResponseWriter, r *http.Request, object string) {
	s.links++
	http.Redirect(w, r, fmt.Sprintf("%s/store/%s?sp=r&sv=2026-01-01&se=soon&sig=%d", s.Store.URL, object, s.links), http.StatusFound)
}

func (s *Server) api(w http.ResponseWriter, r *http.Request) {
	if s.faulty(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-GitHub-Media-Type", "github.v3; format=json")
	w.Header().Set("X-RateLimit-Limit", "5000")
	w.Header().Set("X-RateLimit-Remaining", "4999")
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token != "" && s.token != "" && token != s.token {
		problem(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) < 4 || parts[0] != "repos" {
		problem(w, http.StatusNotFound, "Not Found")
		return
	}
	s.route(w, r, parts[1]+"/"+parts[2], strings.Join(parts[3:], "/"), token)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request, repo, path, token string) {
	var number int
	var rest string
	switch {
	case path == "releases":
		s.listReleases(w, r, repo)
	case path == "releases/latest":
		s.oneRelease(w, func(one release) bool { return one.repo == repo && !one.draft && !one.prerelease })
	case strings.HasPrefix(path, "releases/tags/"):
		tag := strings.TrimPrefix(path, "releases/tags/")
		s.oneRelease(w, func(one release) bool { return one.repo == repo && one.tag == tag && !one.draft })
	case match(path, "releases/assets/%d", &number):
		if r.Header.Get("Accept") != "application/octet-stream" {
			problem(w, http.StatusUnsupportedMediaType, "this fake gives the file only")
			return
		}
		s.redirect(w, r, fmt.Sprintf("asset-%d", number))
	case match(path, "pulls/%d", &number):
		s.onePull(w, repo, number)
	case match(path, "actions/artifacts/%d/zip", &number):
		if token == "" {
			problem(w, http.StatusUnauthorized, "Requires authentication")
			return
		}
		s.redirect(w, r, fmt.Sprintf("artifact-%d", number))
	case strings.HasPrefix(path, "actions/workflows/"):
		rest, _ = strings.CutSuffix(strings.TrimPrefix(path, "actions/workflows/"), "/runs")
		s.listRuns(w, r, repo, rest)
	case match(path, "actions/runs/%d/artifacts", &number):
		s.listArtifacts(w, repo, number)
	default:
		problem(w, http.StatusNotFound, "Not Found")
	}
}

func match(path, form string, number *int) bool {
	n, err := fmt.Sscanf(path, form, number)
	return err == nil && n == 1 && fmt.Sprintf(form, *number) == path
}

func problem(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(code)})
}

// RateLimit answers as GitHub does when a token, or an address, has asked too much.
func RateLimit(w http.ResponseWriter, reset time.Time) {
	w.Header().Set("X-RateLimit-Limit", "60")
	w.Header().Set("X-RateLimit-Remaining", "0")
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	problem(w, http.StatusForbidden, "API rate limit exceeded for 203.0.113.7.")
}

// SecondaryRateLimit answers as GitHub does when too much is asked at once.
func SecondaryRateLimit(w http.ResponseWriter, after time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": "You have exceeded a secondary rate limit.",
		"documentation_url": "https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"})
}
