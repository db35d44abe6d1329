package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// Starts go to the collector that the environment names, of instances in the foreground as of those in the background, and none of
// the guest's secrets with them.
func TestStartsAreExported(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Guest = &qemutest.Guest{RequestTo: filepath.Join(t.TempDir(), "request")}
	e := newBackground(t, s)
	got := make(chan []byte, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- body
	}))
	t.Cleanup(server.Close)
	e.env = append(e.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL)
	names := func() map[string]bool {
		t.Helper()
		all, body := map[string]bool{}, <-got
		request := &collector.ExportTraceServiceRequest{}
		if err := proto.Unmarshal(body, request); err != nil {
			t.Fatal(err)
		}
		for _, span := range request.ResourceSpans[0].ScopeSpans[0].Spans {
			all[span.Name] = true
		}
		for name, secret := range e.secretsIn(s.Guest.RequestTo) {
			if bytes.Contains(body, []byte(secret)) {
				t.Errorf("%s is in a span", name)
			}
		}
		return all
	}
	u := e.up()
	for all := names(); !all["start default"] || !all["capturing"] || !all["resuming"] || !all["qemu: start"] || !all["probe backend"]; all = names() {
		t.Errorf("got %v", all)
	}
	e.stop(u)
	e.run(0, "start")
	if all := names(); !all["start default"] || !all["resuming"] || all["capturing"] {
		t.Errorf("in the background: %v", all)
	}
	e.run(0, "stop")
	e.nothingLeft()
}

// secretsIn are the secrets that a guest was given, by the request that it has written down, and the key that was published.
func (e *emulator) secretsIn(path string) map[string]string {
	e.Helper()
	text, err := os.ReadFile(path)
	var request guestapi.Request
	if err = errors.Join(err, json.Unmarshal(text, &request)); err != nil || len(request.Secrets) != len(guestapi.SecretNames) {
		e.Fatalf("%v, %d secrets", err, len(request.Secrets))
	}
	secrets := map[string]string{"published key": e.rotated()}
	for name, secret := range request.Secrets {
		secrets[name] = secret
	}
	return secrets
}

// A collector that is not there costs a warning and nothing else.
func TestNoCollectorIsNoFailure(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.env = append(e.env, "EMULATOR_NO_SNAPSHOT=1", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1")
	u := e.up()
	e.stop(u)
	e.complains(u, `otlp: spans are not exported: .*connection refused`)

	e.env = append(e.env, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	u = e.up()
	e.stop(u)
	e.complains(u, `otlp: protocol grpc is not spoken here`)
}
