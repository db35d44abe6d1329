package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server whose connections, and a client whose idle ones, end with the test.
func serve(t *testing.T, handler http.HandlerFunc) (*http.Client, string) {
	server := httptest.NewServer(handler)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	return client, server.URL
}

func TestProbeAnswers(t *testing.T) {
	client, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			fmt.Fprint(w, "fine")
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/sick":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "{\"database\":\n \"away\"}\x1b[31m")
		case "/page":
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>nginx</html>")
		case "/long":
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, strings.Repeat("ä", 5000))
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/query":
			if r.URL.Query().Get("db") != "1" {
				w.WriteHeader(http.StatusBadRequest)
			}
		}
	})
	for _, test := range []struct {
		path  string
		codes []int
		code  int
		err   string // "" is healthy
	}{
		{"/ok", []int{200}, 200, ""},
		{"/query?db=1", []int{200}, 200, ""},
		{"/teapot", []int{200, 418}, 418, ""},
		{"/teapot", []int{200}, 418, "status 418 I'm a teapot"},
		{"/ok", nil, 200, "status 200 OK: fine"},
		{"/sick", []int{200}, 503, `status 503 Service Unavailable: {"database": "away"} [31m`},
		{"/page", []int{200}, 502, "status 502 Bad Gateway"},
		{"/long", []int{200}, 500, "status 500 Internal Server Error: " + strings.Repeat("ä", 80)},
		{"/redirect", []int{200}, 302, "status 302 Found"},
		{"/redirect", []int{302}, 302, ""},
	} {
		t.Run(test.path, func(t *testing.T) {
			got := health.Probe(t.Context(), client, url+test.path, test.codes)
			if got.Healthy != (test.err == "") || got.Code != test.code || got.Took <= 0 {
				t.Errorf("got %+v", got)
			}
			if message := fmt.Sprint(got.Err); test.err != "" && message != test.err || test.err == "" && got.Err != nil {
				t.Errorf("got  %s\nwant %s", message, test.err)
			}
		})
	}
}

func TestProbeUsesOneConnection(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 8000))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 5 {
		if got := health.Probe(t.Context(), client, server.URL, []int{200}); !got.Healthy {
			t.Fatal(got.Err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("5 probes made %d connections, want 1: the body was not drained", n)
	}
}

func TestProbeEndlessBody(t *testing.T) {
	client, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	if got := health.Probe(t.Context(), client, url, []int{200}); !got.Healthy {
		t.Errorf("got %+v, want healthy: the status counts", got)
	}
}

func TestProbeFailures(t *testing.T) {
	client, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hangs":
			<-r.Context().Done()
		case "/drops":
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
		case "/breaks":
			conn, _, _ := http.NewResponseController(w).Hijack()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf")
			_ = conn.Close()
		}
	})
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + free.Addr().String()
	_ = free.Close()
	for _, test := range []struct {
		name, url, err string
		code           int
		wait           time.Duration
	}{
		{"refused", closed, "nothing listens there: ", 0, time.Minute},
		{"hangs", url + "/hangs", "no answer in time: ", 0, 20 * time.Millisecond},
		{"drops", url + "/drops", "the connection was closed without an answer: ", 0, time.Minute},
		{"breaks", url + "/breaks", "status 200, but the answer broke off: ", 200, time.Minute},
		{"no URL", "http://127.0.0.1:x", "invalid port", 0, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), test.wait)
			defer cancel()
			got := health.Probe(ctx, client, test.url, []int{200})
			if got.Healthy || got.Code != test.code || got.Err == nil || !strings.HasPrefix(got.Err.Error(), test.err) {
				t.Errorf("got %+v, want %q", got, test.err)
			}
		})
	}
}

func TestProbeCancelled(t *testing.T) {
	client, url := serve(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := health.Probe(ctx, client, url, []int{200})
	if !errors.Is(got.Err, context.Canceled) || !strings.HasPrefix(got.Err.Error(), "given up") {
		t.Errorf("got %v", got.Err)
	}
}
