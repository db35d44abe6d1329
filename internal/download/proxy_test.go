package download

import (
	"encoding/pem"
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
	var throughProxy atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		throughProxy.Add(1)
		if r.Header.Get("Authorization") != "" {
			t.Error("a token was sent")
		}
		serve(w, r, o.body, o.etag)
	}))
	defer proxy.Close()
	tls := httptest.NewTLSServer(o)
	defer tls.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url  string
		env  string
		want bool
	}{
		"proxy":               {"http://host.invalid/file", "HTTP_PROXY=" + proxy.URL, true},
		"certificate":         {tls.URL, "SSL_CERT_FILE=" + authority, true},
		"another certificate": {tls.URL, "SSL_CERT_FILE=/dev/null", false},
	} {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		part := filepath.Join(t.TempDir(), "part")
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), append(strings.Fields(c.env), childVariable+"=1", "PART="+part, "URL="+c.url)...)
		if err := cmd.Run(); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if throughProxy.Load() != 1 {
		t.Errorf("%d requests through the proxy", throughProxy.Load())
	}
}
