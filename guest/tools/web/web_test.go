package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLocal(t *testing.T) {
	for _, test := range []struct {
		host, origin string
		want         bool
	}{
		{"localhost:26702", "", true},
		{"127.0.0.1:9090", "", true},
		{"[::1]:9090", "", true},
		{"10.0.2.15", "", true},
		{"Storage.LOCALHOST:26702", "", true},
		{"host.docker.internal:26702", "", true},
		{"localhost:26703", "http://localhost:3000", true},
		{"localhost:26703", "https://app.localhost", true},
		{"localhost:26703", "http://127.0.0.1:26700", true},
		{"localhost:26703", "http://[::1]", true},
		{"evil.example:26703", "", false},
		{"localhost.evil.example", "", false},
		{"host.docker.internal.evil.example", "", false},
		{"", "", false},
		{"localhost:26703", "http://evil.example", false},
		{"localhost:26703", "http://192.0.2.1", false},
		{"localhost:26703", "http://localhost.evil.example", false},
		{"localhost:26703", "null", false},
		{"localhost:26703", "file://localhost", false},
	} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Host = test.host
		if test.origin != "" {
			request.Header.Set("Origin", test.origin)
		}
		answer := httptest.NewRecorder()
		Local(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(answer, request)
		if got := answer.Code == http.StatusOK; got != test.want {
			t.Errorf("host %q, origin %q: %d", test.host, test.origin, answer.Code)
		}
	}
}

// A request that waits for something does not hold up the stop.
func TestServeStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- ServeOn(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
	}()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	stop()
	if _, err := io.ReadAll(answer.Body); err != nil {
		t.Error(err)
	}
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not stop")
	}
	if err := Serve(t.Context(), "127.0.0.1:-1", nil); err == nil {
		t.Error("no error for a port that cannot be")
	}
}
