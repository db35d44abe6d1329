package download

import (
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
)

// The environment's proxy and certificates are honoured. Go reads both once in a process, so each case is one of its own.
func TestProxyAndCertificate(t *testing.T) {
	o := newOrigin(t, 100)
	tls := httptest.NewTLSServer(o)
	defer tls.Close()
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" {
			t.Error("a token was sent")
		}
		if r.Method == http.MethodConnect {
			tunnel(t, w, tls.Listener.Addr().String())
			return
		}
		serve(w, r, o.body, o.etag)
	}))
	defer proxy.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	trusted, secure := " SSL_CERT_FILE="+authority, "HTTPS_PROXY="+proxy.URL
	for name, c := range map[string]struct {
		url  string
		env  string
		want bool
		asks int32 // how often the proxy is asked
	}{
		"proxy":                 {"http://host.invalid/file", "HTTP_PROXY=" + proxy.URL, true, 1},
		"not for this host":     {"http://host.invalid/file", "HTTP_PROXY=" + proxy.URL + " NO_PROXY=host.invalid LIMIT=500ms", false, 0},
		"secure":                {"https://example.com/file", secure + trusted, true, 1}, // as the certificate has it
		"secure, another host":  {"https://example.com/file", secure + trusted + " NO_PROXY=host.invalid", true, 1},
		"secure, not this host": {"https://host.invalid/file", secure + trusted + " NO_PROXY=.invalid LIMIT=500ms", false, 0},
		"secure, not trusted":   {"https://example.com/file", secure + " SSL_CERT_FILE=/dev/null", false, 1},
		"certificate":           {tls.URL, strings.TrimSpace(trusted), true, 0},
		"another certificate":   {tls.URL, "SSL_CERT_FILE=/dev/null", false, 0},
		"this machine, a proxy": {tls.URL, secure + trusted, true, 0},
	} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		part := filepath.Join(t.TempDir(), "part")
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), append(strings.Fields(c.env), childVariable+"=1", "PART="+part, "URL="+c.url)...)
		if err := cmd.Run(); (err == nil) != c.want || asked.Load() != c.asks {
			t.Errorf("%s: %v, and the proxy was asked %d times", name, err, asked.Load())
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
