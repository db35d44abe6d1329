package github

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	api "github.com/google/go-github/v75/github"
)

// DefaultAPI is the API of github.com. Enterprise hosts have theirs at https://HOST/api/v3.
const DefaultAPI = "https://api.github.com"

// Client talks to one API. It may be used from any goroutine.
type Client struct {
	api    *api.Client
	token  bool
	direct http.RoundTripper // for answers that lead elsewhere
}

// Options say which API to talk to, and as whom.
type Options struct {
	API       string            // URL; "" for [DefaultAPI]
	Token     string            // "" for nobody
	Transport http.RoundTripper // nil for one that has the environment's proxies and certificates
}

// answerLimit is how much of an answer is read, in bytes: the largest, 100 releases with all their words, have a few MB.
const answerLimit = 32 << 20

// timeout is for one question with its answer.
const timeout = 30 * time.Second

// New makes a client. It asks nothing yet.
func New(o Options) (*Client, error) {
	if o.API == "" {
		o.API = DefaultAPI
	}
	base, err := url.Parse(strings.TrimSuffix(o.API, "/") + "/")
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil || base.RawQuery != "" {
		return nil, &Error{What: "API " + strings.SplitN(o.API, "?", 2)[0], Err: errors.New("not the URL of an API"), Advice: "GITHUB_API_URL looks like https://HOST/api/v3"}
	}
	if o.Token != "" && base.Scheme == "http" && !local(base.Hostname()) {
		return nil, &Error{What: "API " + base.Host, Err: errors.New("a token must not travel without encryption"), Advice: "use https in GITHUB_API_URL"}
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	guarded := &guard{next: o.Transport, scheme: base.Scheme, host: base.Host, token: o.Token}
	c := api.NewClient(&http.Client{Transport: guarded, CheckRedirect: guarded.redirect})
	c.BaseURL, c.UserAgent = base, "stackemu"
	return &Client{api: c, token: o.Token != "", direct: guarded}, nil
}

// Close lets go of connections that nobody uses.
func (c *Client) Close() { c.api.Client().CloseIdleConnections() }

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// guard is the transport that has the token. It gives it to one host, and talks to no other.
type guard struct {
	next         http.RoundTripper
	scheme, host string
	token        string
}

var errElsewhere = errors.New("the API leads to another host")

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != g.scheme || r.URL.Host != g.host {
		return nil, fmt.Errorf("%w (%s)", errElsewhere, r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	answer, err := g.next.RoundTrip(r)
	if err == nil {
		answer.Body = &limited{io.LimitReader(answer.Body, answerLimit), answer.Body}
	}
	return answer, err
}

// CloseIdleConnections is for http.Client's method of that name.
func (g *guard) CloseIdleConnections() {
	if t, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// redirect follows a repository that was renamed, on the same host.
func (g *guard) redirect(_ *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("too many redirects")
	}
	return nil
}

type limited struct {
	io.Reader
	io.Closer
}

// Repo is the name of a repository.
type Repo struct{ Owner, Name string }

func (r Repo) String() string { return r.Owner + "/" + r.Name }

var repoForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]{0,38})/([A-Za-z0-9._-]{1,100})$`)

// ParseRepo reads OWNER/NAME.
func ParseRepo(s string) (Repo, error) {
	m := repoForm.FindStringSubmatch(s)
	if m == nil || m[2] == "." || m[2] == ".." {
		return Repo{}, fmt.Errorf("%q is no repository: want OWNER/NAME", s)
	}
	return Repo{m[1], m[2]}, nil
}
