package cronjobs

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func backend(t *testing.T) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	calls := new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer s3cret" {
			http.Error(w, "no", http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	return server, calls
}

func TestRunRepeats(t *testing.T) {
	server, calls := backend(t)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		Caller{server.URL, "s3cret", &log}.Run(ctx, []Job{{"/a", time.Millisecond, time.Millisecond}, {"/b", time.Hour, time.Hour}})
	}()
	for deadline := time.Now().Add(10 * time.Second); calls.Load() < 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	if calls.Load() < 3 || log.Len() > 0 {
		t.Errorf("%d calls, log %q", calls.Load(), log.String())
	}
}

func TestCallReportsFailures(t *testing.T) {
	server, _ := backend(t)
	err := Caller{BaseURL: server.URL, Secret: "wrong"}.Call(t.Context(), "/a")
	if err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("err = %v, want one with 401 and without the secret", err)
	}
	server.Close()
	if err := (Caller{BaseURL: server.URL}).Call(t.Context(), "/a"); err == nil {
		t.Error("no error from a backend that is away")
	}
}

// The guest idles all day: no job may run often.
func TestJobsAreRare(t *testing.T) {
	for _, job := range Jobs {
		if job.First < time.Minute || job.Every < 10*time.Minute {
			t.Errorf("%s runs after %v and every %v", job.Path, job.First, job.Every)
		}
	}
}
