package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/stackemu/stackemu/internal/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collects is a collector that the environment of a test names. It decodes what it is sent.
func collects(t *testing.T) <-chan *collector.ExportTraceServiceRequest {
	t.Helper()
	got := make(chan *collector.ExportTraceServiceRequest, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := &collector.ExportTraceServiceRequest{}
		if err = errors.Join(err, proto.Unmarshal(body, request)); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s: %v", r.URL.Path, r.Header.Get("Content-Type"), err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		got <- request
	}))
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	return got
}

// happens writes the beginning of a story of package trace to a log: so much of it.
func happens(t *testing.T, path, name string, share float64) {
	t.Helper()
	story, err := os.ReadFile(filepath.Join("..", "trace", "testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(story[:int(share*float64(len(story)))]); err != nil {
		t.Fatal(err)
	}
}

func quiet(t *testing.T) func(error) { return func(err error) { t.Errorf("it warns: %v", err) } }

func closing(x *Exporter) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	x.Close(ctx)
}

func text(attributes []*common.KeyValue, key string) string {
	for _, a := range attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// A start is one trace: its spans have the names, times and failures of the log, each within its parent.
func TestStartIsATrace(t *testing.T) {
	got := collects(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	x := New("1.2.3", quiet(t))
	x.Follow(path)
	happens(t, path, "fallback", 1)
	request := <-got // long before the end
	closing(x)

	about := request.ResourceSpans[0].Resource.Attributes
	if text(about, "service.name") != "stackemu" || text(about, "service.version") != "1.2.3" || text(about, "deployment.environment") != "test" {
		t.Errorf("the resource is %v", about)
	}
	spans := map[string]*wire.Span{}
	for _, span := range request.ResourceSpans[0].ScopeSpans[0].Spans {
		spans[string(span.SpanId)] = span
	}
	path1 := func(span *wire.Span) (words string) {
		for ; span != nil; span = spans[string(span.ParentSpanId)] {
			words = span.Name + " / " + words
		}
		return strings.TrimSuffix(words, " / ")
	}
	all := map[string]*wire.Span{}
	for _, span := range spans {
		all[path1(span)] = span
		if parent := spans[string(span.ParentSpanId)]; parent != nil && (span.StartTimeUnixNano < parent.StartTimeUnixNano || string(span.TraceId) != string(parent.TraceId)) {
			t.Errorf("%s does not fit into its parent", path1(span))
		}
	}
	log, err := trace.ReadFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	start, root := log.Last(), all["start default"]
	if root == nil || len(root.ParentSpanId) != 0 || text(root.Attributes, "stackemu.outcome") != "ready" || text(root.Attributes, "stackemu.how") != "cold boot" ||
		time.Duration(root.EndTimeUnixNano-root.StartTimeUnixNano) != start.Ended.Sub(start.Began) || len(root.Events) != 4 {
		t.Errorf("the root is %v", root)
	}
	resuming := all["start default / attempt default-run-2 / resuming"]
	if resuming == nil || resuming.Status.GetCode() != wire.Status_STATUS_CODE_ERROR || resuming.Status.Message != "resume: monitor: boom" {
		t.Errorf("resuming is %v", resuming)
	}
	if outside := all["start default / attempt default-run-1 / capturing / qemu: start"]; outside == nil || outside.Kind != wire.Span_SPAN_KIND_CLIENT || text(outside.Attributes, "stackemu.kind") != "external" {
		t.Errorf("QEMU's start is %v; there are %q", outside, slices.Sorted(maps.Keys(all)))
	}
}

// A start that has not ended when the process does is exported as it is.
func TestUnfinishedStart(t *testing.T) {
	got := collects(t)
	path := filepath.Join(t.TempDir(), "messages.jsonl")
	x := New("1.2.3", quiet(t))
	x.Follow(path)
	happens(t, path, "cold-start", 0.5)
	closing(x)
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	for _, span := range (<-got).ResourceSpans[0].ScopeSpans[0].Spans {
		if span.Name == "start default" && text(span.Attributes, "stackemu.outcome") != "unfinished" {
			t.Errorf("got %v", span)
		}
	}
}

// A collector that is not there, or says no, costs one warning, and no more time than there is.
func TestNoCollector(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refuses.Close()
	for name, endpoint := range map[string]string{"nobody": "http://" + nobody.Addr().String(), "silent": "http://" + silent.Addr().String(), "refuses": refuses.URL} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
			var warnings []string
			x := New("1.2.3", func(err error) { warnings = append(warnings, err.Error()) })
			for n := range 3 {
				path := filepath.Join(t.TempDir(), fmt.Sprint(n))
				x.Follow(path)
				happens(t, path, "cold-start", 1)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			x.Close(ctx)
			if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "otlp: spans are not exported: ") {
				t.Errorf("%q", warnings)
			}
		})
	}
}

// Nothing is made, and nobody is talked to, before a start has ended.
func TestNothingWithoutStarts(t *testing.T) {
	got := collects(t)
	x := New("1.2.3", quiet(t))
	x.Follow(filepath.Join(t.TempDir(), "messages.jsonl"))
	if x.tracer != nil {
		t.Error("the SDK is there")
	}
	closing(x)
	if len(got) > 0 || x.tracer != nil {
		t.Error("it has talked to the collector")
	}
	var none *Exporter
	closing(none)
}

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want bool
		err  string
	}{
		{"nothing", nil, false, ""},
		{"an endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, true, ""},
		{"one for traces", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example/v1/traces"}, true, ""},
		{"empty", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, false, ""},
		{"disabled", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, false, ""},
		{"no traces", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, false, ""},
		{"no URL", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, false, "OTEL_EXPORTER_OTLP_ENDPOINT: want a URL"},
		{"grpc", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "protocol grpc is not spoken"},
		{"grpc for the rest", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Wanted(func(name string) (string, bool) { value, ok := c.env[name]; return value, ok })
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
