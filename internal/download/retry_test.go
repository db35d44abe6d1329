package download

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script is a server without a network, so that its pauses take no time: one answer after the other, and then the file.
type script struct {
	mu      sync.Mutex
	answers []func() (*http.Response, error)
	asked   []time.Time
	body    string
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Now())
	if n := len(s.asked) - 1; n < len(s.answers) {
		a, err := s.answers[n]()
		if a != nil {
			a.Request = r
		}
		return a, err
	}
	h := http.Header{"Content-Range": {"bytes 0-4/5"}, "Etag": {`"x"`}}
	return &http.Response{StatusCode: 206, Header: h, Body: io.NopCloser(strings.NewReader(s.body)), Request: r}, nil
}

func status(code int, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{}
		for n := 0; n < len(header); n += 2 {
			h.Set(header[n], header[n+1])
		}
		return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("no"))}, nil
	}
}

func (s *script) fetch(t *testing.T) error {
	_, err := Fetch(t.Context(), Options{Path: filepath.Join(t.TempDir(), "part"), Locate: at("http://host.invalid/f"), Client: &http.Client{Transport: s}})
	return err
}

func TestBurstOf5xx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
		s := &script{body: "hello", answers: []func() (*http.Response, error){status(500), status(502), status(503), broken, status(504), status(408)}}
		if err := s.fetch(t); err != nil {
			t.Fatal(err)
		}
		for n := range s.asked[1:] {
			pause := s.asked[n+1].Sub(s.asked[n])
			if pause < firstPause/2 || pause > 2*longestPause {
				t.Errorf("pause %d: %v", n, pause)
			}
		}
	})
}

func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for range 20 {
			s.answers = append(s.answers, status(503))
		}
		err := s.fetch(t)
		if err == nil || err.Error() != "download: host.invalid answers 503 Service Unavailable (tried 8 times)" || len(s.asked) != maxTries {
			t.Errorf("%v after %d requests", err, len(s.asked))
		}
	})
}

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
		s := &script{body: "hello", answers: []func() (*http.Response, error){status(429, "Retry-After", "30"), status(503, "Retry-After", date)}}
		began := time.Now()
		if err := s.fetch(t); err != nil {
			t.Fatal(err)
		}
		if first, second := s.asked[1].Sub(began), s.asked[2].Sub(began); first != 30*time.Second || second < 89*time.Second || second > 91*time.Second {
			t.Errorf("asked again after %v and %v", first, second)
		}
	})
}

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "99999999999": 0,
		"Thu, 01 Jan 2026 00:01:00 GMT": time.Minute, "Wed, 31 Dec 2025 00:00:00 GMT": 0} {
		if got := RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

// A short body's rest is asked for; a server that gives something else then gives no ranges, and here no whole either.
func TestShortBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{body: "hel"}
		err := s.fetch(t)
		if err == nil || !strings.Contains(err.Error(), "to a request for the whole") {
			t.Error(err)
		}
	})
}

func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		m.total.Store(1000)
		var p Progress
		for range 50 {
			m.add(10)
			p = m.progress()
		}
		if p.Done != 500 || p.Rate != 50 || p.Left != 10*time.Second {
			t.Errorf("%+v", p)
		}
	})
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 12_000: "12 kB", 640e6: "640 MB", 1_210e6: "1.21 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 0-4/5", "bytes 0-4/*", "bytes */5", "bytes 5-4/9", "bytes 0-9223372036854775807/*", "bytes -1-2/3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r, err := parseContentRange(value)
		if err == nil && (r.first < 0 || r.last < r.first || r.total >= 0 && r.last >= r.total) {
			t.Errorf("%q: %+v", value, r)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"identity":"it","etag":"\"one\"","size":1048576,"chunk":65536,"done":[{"first":0,"end":3},{"first":5,"end":16}]}`))
	f.Add([]byte(`{"version":1,"size":1,"chunk":1,"done":[{"first":-1,"end":9}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseState(text)
		if err != nil {
			return
		}
		for _, r := range s.Done {
			if r.First < 0 || r.End > s.chunks() || r.First >= r.End {
				t.Errorf("%+v", s)
			}
		}
	})
}
