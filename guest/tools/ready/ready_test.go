package ready

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service answers 503 to the first questions and then what it is told to.
func service(t *testing.T, failures int64, status int) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	asked := new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= failures {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Location", "/")
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server, asked
}

func TestWait(t *testing.T) {
	quick, asked := service(t, 0, 200)
	slow, slowAsked := service(t, 2, 200)
	if err := Wait(t.Context(), []string{quick.URL + "/a", slow.URL + "/health?db=1"}); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 1 || slowAsked.Load() != 3 {
		t.Errorf("asked %d and %d times, want 1 and 3", asked.Load(), slowAsked.Load())
	}
}

func TestWaitSaysWhatWasNotReady(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		want   string
	}{
		"unhealthy":  {503, "503"},
		"a redirect": {302, "302"},
	} {
		server, _ := service(t, 0, test.status)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := Wait(ctx, []string{server.URL})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), server.URL) {
			t.Errorf("%s: err = %v, want deadline, URL and %q", name, err, test.want)
		}
	}
}

func TestWaitForNobody(t *testing.T) {
	server, _ := service(t, 0, 200)
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := Wait(ctx, []string{server.URL}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("err = %v, want one that says that the connection was refused", err)
	}
}
