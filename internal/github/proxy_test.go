package github_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/github/githubtest"
)

// childVariable makes the test binary ask the API that it names.
const childVariable = "GITHUB_TEST_CHILD"

func child(api string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c, err := github.New(github.Options{API: api, Token: "secret"})
	if err == nil {
		_, err = c.Release(ctx, repo, "x")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// The environment's proxy is honoured, and sees no token. Go reads it once in a process, so each case is one of its own.
func TestProxy(t *testing.T) {
	s := githubtest.New(t)
	s.Token("secret")
	s.Release("x", "y", nil)
	api := httptest.NewTLSServer(s.API.Config.Handler)
	defer api.Close()
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodConnect || r.Header.Get("Authorization") != "" {
			t.Errorf("%s with %q", r.Method, r.Header)
		}
		tunnel(t, w, api.Listener.Addr().String())
	}))
	defer proxy.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		api, env string
		want     bool
		asks     int32 // how often the proxy is asked
	}{
		"proxy":             {"https://example.com", "", true, 1}, // as the certificate has it
		"another host":      {"https://example.com", "NO_PROXY=host.invalid", true, 1},
		"not for this host": {"https://host.invalid", "NO_PROXY=host.invalid", false, 0},
		"this machine":      {api.URL + "", "", true, 0},
	} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), append(strings.Fields(c.env), childVariable+"="+c.api, "HTTPS_PROXY="+proxy.URL, "SSL_CERT_FILE="+authority)...)
		if out, err := cmd.CombinedOutput(); (err == nil) != c.want || asked.Load() != c.asks {
			t.Errorf("%s: %v, and the proxy was asked %d times: %s", name, err, asked.Load(), out)
		}
	}
}

// tunnel connects who asks a proxy for it with a server.
func tunnel(t *testing.T, w http.ResponseWriter, server string) {
	there, err := net.Dial("tcp", server)
	if err != nil {
		t.Error(err)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer here.Close()
	fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}()
	_, _ = io.Copy(there, here)
	_ = there.Close()
	<-back
}
