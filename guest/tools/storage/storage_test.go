package storage

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var keys = Keys{ID: "id", Secret: "secret"}

// world is an open storage, and a client of it.
type world struct {
	*testing.T
	config Config
	server *httptest.Server
	open   *Objects
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, config: Config{File: filepath.Join(t.TempDir(), "s3.db"), Buckets: []string{"pictures"}, Keys: keys}}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) start() {
	w.Helper()
	var err error
	if w.open, err = Open(w.config); err != nil {
		w.Fatal(err)
	}
	w.server = httptest.NewServer(w.open)
}

func (w *world) stop() {
	w.server.Close()
	if err := w.open.Close(); err != nil {
		w.Error(err)
	}
}

// ask sends a request that is signed with keys.
func (w *world) ask(with Keys, method, path, body string) (int, string) {
	w.Helper()
	request, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	request.Header.Set(hashHeader, hex.EncodeToString(sum[:]))
	request.Header.Set("Content-Type", "image/png")
	err = signer().SignHTTP(w.Context(), credentials(with), request, request.Header.Get(hashHeader), "s3", "us-east-1", time.Now())
	if err != nil {
		w.Fatal(err)
	}
	return w.send(request)
}

func (w *world) send(request *http.Request) (int, string) {
	w.Helper()
	answer, err := w.server.Client().Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// presigned is the URL at which an object can be had for a while, from when on.
func (w *world) presigned(path string, when time.Time, expires int) string {
	w.Helper()
	request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s%s?X-Amz-Expires=%d", w.server.URL, path, expires), nil)
	if err != nil {
		w.Fatal(err)
	}
	uri, _, err := signer().PresignHTTP(context.Background(), credentials(keys), request, "UNSIGNED-PAYLOAD", "s3", "us-east-1", when)
	if err != nil {
		w.Fatal(err)
	}
	return uri
}

func (w *world) get(uri string) (int, string) {
	w.Helper()
	request, err := http.NewRequest(http.MethodGet, uri, nil)
	if err != nil {
		w.Fatal(err)
	}
	return w.send(request)
}

func TestObjectsLast(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/pictures/plain", "/pictures/a/b%20c%2Bd.png"} {
		if code, body := w.ask(keys, http.MethodPut, path, "content of "+path); code != http.StatusOK {
			t.Fatalf("PUT %s: %d, %s", path, code, body)
		}
	}
	w.stop()
	w.start()
	for _, path := range []string{"/pictures/plain", "/pictures/a/b%20c%2Bd.png"} {
		if code, body := w.ask(keys, http.MethodGet, path, ""); code != http.StatusOK || body != "content of "+path {
			t.Errorf("GET %s: %d, %q", path, code, body)
		}
	}
	if code, body := w.ask(keys, http.MethodGet, "/pictures?list-type=2&prefix=a/", ""); code != http.StatusOK || !strings.Contains(body, "<Key>a/b c+d.png</Key>") {
		t.Errorf("list: %d, %s", code, body)
	}
	if code, _ := w.ask(keys, http.MethodDelete, "/pictures/plain", ""); code != http.StatusNoContent {
		t.Errorf("DELETE: %d", code)
	}
	if code, _ := w.ask(keys, http.MethodGet, "/pictures/plain", ""); code != http.StatusNotFound {
		t.Errorf("GET of what was deleted: %d", code)
	}
}

func TestSignatures(t *testing.T) {
	w := newWorld(t)
	if code, body := w.ask(keys, http.MethodPut, "/pictures/p", "content"); code != http.StatusOK {
		t.Fatalf("PUT: %d, %s", code, body)
	}
	now := time.Now()
	good := w.presigned("/pictures/p", now, 60)
	if code, body := w.get(good); code != http.StatusOK || body != "content" {
		t.Errorf("a signed URL: %d, %q", code, body)
	}
	for name, uri := range map[string]string{
		"no signature":         w.server.URL + "/pictures/p",
		"another object":       strings.Replace(good, "/pictures/p", "/pictures/q", 1),
		"a longer time":        strings.Replace(good, "X-Amz-Expires=60", "X-Amz-Expires=600", 1),
		"a wrong signature":    good[:len(good)-1] + "x",
		"an expired one":       w.presigned("/pictures/p", now.Add(-2*time.Minute), 60),
		"a time without end":   w.presigned("/pictures/p", now, maxExpires+1),
		"no algorithm of ours": strings.Replace(good, url.QueryEscape(algorithm), "none", 1),
	} {
		if code, body := w.get(uri); code != http.StatusForbidden || !strings.Contains(body, "<Code>") {
			t.Errorf("%s: %d, %s", name, code, body)
		}
	}
	for name, other := range map[string]Keys{"another secret": {keys.ID, "guess"}, "another user": {"somebody", keys.Secret}} {
		if code, body := w.ask(other, http.MethodPut, "/pictures/p", "changed"); code != http.StatusForbidden {
			t.Errorf("%s: %d, %s", name, code, body)
		}
	}
	if _, body := w.get(good); body != "content" {
		t.Errorf("somebody has written: %q", body)
	}
}

func TestHealthNeedsNoSignature(t *testing.T) {
	w := newWorld(t)
	if code, body := w.get(w.server.URL + HealthPath); code != http.StatusOK {
		t.Errorf("%d, %s", code, body)
	}
}

// Parts of a large object come one by one.
func TestMultipart(t *testing.T) {
	w := newWorld(t)
	_, body := w.ask(keys, http.MethodPost, "/pictures/big?uploads=", "")
	_, rest, _ := strings.Cut(body, "<UploadId>")
	id, _, found := strings.Cut(rest, "<")
	if !found {
		t.Fatal(body)
	}
	part := string(bytes.Repeat([]byte("0123456789"), 600_000)) // 5 MiB at least, but for the last
	var list strings.Builder
	for n, text := range []string{part, "end"} {
		if code, body := w.ask(keys, http.MethodPut, fmt.Sprintf("/pictures/big?partNumber=%d&uploadId=%s", n+1, id), text); code != http.StatusOK {
			t.Fatalf("part %d: %d, %s", n+1, code, body)
		}
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", n+1, etag(text))
	}
	code, body := w.ask(keys, http.MethodPost, "/pictures/big?uploadId="+id, "<CompleteMultipartUpload>"+list.String()+"</CompleteMultipartUpload>")
	if code != http.StatusOK {
		t.Fatalf("complete: %d, %s", code, body)
	}
	if code, body := w.ask(keys, http.MethodGet, "/pictures/big", ""); code != http.StatusOK || body != part+"end" {
		t.Errorf("%d, %d bytes", code, len(body))
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := Config{Address: "127.0.0.1:0", File: filepath.Join(t.TempDir(), "new", "s3.db"), Keys: keys}
	if err := Run(ctx, c); err != nil {
		t.Error(err)
	}
}

func etag(text string) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum([]byte(text)))) }
