// Package otlp exports how instances have started to an OpenTelemetry collector, as the environment says that OpenTelemetry's own
// SDK reads (OTEL_EXPORTER_OTLP_ENDPOINT and its kin).
//
// It reads the message log (internal/trace), so that a span says what the log says, and holds back what the log does not show. It
// promises that a start never waits for it: all that it does happens after the start has ended. A collector that cannot be reached
// costs one warning, and the end of the process [Exporter.Close]'s time at most.
package otlp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/stackemu/stackemu/internal/trace"
)

// endpoints are the variables of which one must be set for anything to be exported.
var endpoints = []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}

// Wanted tells whether the environment asks for spans, and fails if it asks for what cannot be done.
func Wanted(lookup func(string) (string, bool)) (bool, error) {
	get := func(name string) string { value, _ := lookup(name); return value }
	if get("OTEL_SDK_DISABLED") == "true" || get("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	for _, name := range endpoints {
		text := get(name)
		if text == "" {
			continue
		}
		for _, protocol := range []string{get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), get("OTEL_EXPORTER_OTLP_PROTOCOL")} {
			if protocol == "" {
				continue
			}
			if protocol != "http/protobuf" {
				return false, fmt.Errorf("otlp: protocol %s is not spoken here, only http/protobuf (usually at port 4318)", protocol)
			}
			break
		}
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return false, fmt.Errorf("otlp: %s: want a URL such as http://localhost:4318", name)
		}
		return true, nil
	}
	return false, nil
}

// Exporter exports the starts of the instances of one process.
type Exporter struct {
	version string
	warn    func(error) // called once at most
	logs    sync.WaitGroup

	watching, flushing context.Context
	unwatch, abort     context.CancelFunc

	warned sync.Once

	mu       sync.Mutex
	tracer   api.Tracer // nil until there is something to export
	ended    gathered
	exporter *otlptrace.Exporter
}

// gathered are the spans of a start. They travel together, because all of them are there at once.
type gathered struct{ spans []sdk.ReadOnlySpan }

func (g *gathered) OnStart(context.Context, sdk.ReadWriteSpan) {}
func (g *gathered) OnEnd(s sdk.ReadOnlySpan)                   { g.spans = append(g.spans, s) }
func (g *gathered) Shutdown(context.Context) error             { return nil }
func (g *gathered) ForceFlush(context.Context) error           { return nil }

// New makes an exporter. It costs nothing until a start has ended.
func New(version string, warn func(error)) *Exporter {
	x := &Exporter{version: version, warn: warn}
	x.watching, x.unwatch = context.WithCancel(context.Background())
	x.flushing, x.abort = context.WithCancel(context.Background())
	return x
}

// Follow exports every start from now on that the message log at path tells of.
func (x *Exporter) Follow(path string) {
	watcher := trace.NewWatcher(path, x.export)
	x.logs.Go(func() {
		if err := watcher.Run(x.watching); err != nil {
			x.complain(err)
		}
	})
}

// flushTimeout is how long a collector may take for one start.
const flushTimeout = 10 * time.Second

func (x *Exporter) export(s *trace.Start) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.begin(); err != nil {
		x.complain(err)
		return
	}
	x.span(context.Background(), s.Spans(), []attribute.KeyValue{
		attribute.String("stackemu.instance", s.Instance), attribute.String("stackemu.outcome", outcome(s)), attribute.String("stackemu.how", s.How())})
	ctx, cancel := context.WithTimeout(x.flushing, flushTimeout)
	defer cancel()
	if err := x.exporter.ExportSpans(ctx, x.ended.spans); err != nil {
		x.complain(err)
	}
	x.ended.spans = nil
}

func outcome(s *trace.Start) string {
	if s.Outcome == "" {
		return "unfinished"
	}
	return s.Outcome
}

// begin makes the SDK's part, for the first start.
func (x *Exporter) begin() error {
	if x.tracer != nil {
		return nil
	}
	options := []otlptracehttp.Option{otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: 200 * time.Millisecond, MaxInterval: 2 * time.Second, MaxElapsedTime: flushTimeout / 2})}
	if !ownCertificates() {
		options = append(options, otlptracehttp.WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment,
			DisableKeepAlives: true}})) // starts are rare
	}
	exporter, err := otlptracehttp.New(context.Background(), options...)
	if err != nil {
		return err
	}
	about, err := resource.New(context.Background(), resource.WithAttributes(
		attribute.String("service.name", "stackemu"), attribute.String("service.version", x.version), attribute.Int("process.pid", os.Getpid())),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		x.complain(err) // what there is of it will do
	}
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(&x.ended), sdk.WithResource(about), sdk.WithSampler(sdk.AlwaysSample()))
	x.exporter, x.tracer = exporter, provider.Tracer("github.com/stackemu/stackemu")
	return nil
}

// ownCertificates tells whether the environment names certificates, which the SDK knows how to use, though only with a client that
// keeps its connections.
func ownCertificates() bool {
	return slices.ContainsFunc(os.Environ(), func(line string) bool {
		name, value, _ := strings.Cut(line, "=")
		return strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") && strings.HasSuffix(name, "CERTIFICATE") && value != ""
	})
}

// span records a span and those that are in it, with the times of the log.
func (x *Exporter) span(ctx context.Context, s *trace.Span, more []attribute.KeyValue) {
	kind := api.SpanKindInternal
	if s.Kind == "external" {
		kind = api.SpanKindClient
	}
	about := append(more, attribute.String("stackemu.kind", s.Kind))
	for name, value := range map[string]string{"stackemu.attempt": s.Attempt, "stackemu.actor": s.Actor} {
		if value != "" {
			about = append(about, attribute.String(name, value))
		}
	}
	if s.Count > 0 {
		about = append(about, attribute.Int("stackemu.count", s.Count))
	}
	ctx, span := x.tracer.Start(ctx, s.Name, api.WithTimestamp(s.Began), api.WithSpanKind(kind), api.WithAttributes(about...))
	for _, e := range s.Events {
		span.AddEvent(e.Name, api.WithTimestamp(e.At), api.WithAttributes(attribute.String("stackemu.text", e.Text)))
	}
	if s.Failure != "" {
		span.SetStatus(codes.Error, s.Failure)
	}
	for _, child := range s.Children {
		x.span(ctx, child, nil)
	}
	span.End(api.WithTimestamp(s.Ended))
}

// complain warns once: a collector that is not there now is not there the next time either.
func (x *Exporter) complain(err error) {
	x.warned.Do(func() { x.warn(fmt.Errorf("otlp: spans are not exported: %w", err)) })
}

// Close exports what has not been yet, and gives up when ctx is done. A nil exporter is closed.
func (x *Exporter) Close(ctx context.Context) {
	if x == nil {
		return
	}
	x.unwatch()
	defer x.abort()
	give := context.AfterFunc(ctx, x.abort)
	defer give()
	x.logs.Wait() // each has its last word, as long as there is time
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.exporter != nil {
		_ = x.exporter.Shutdown(ctx) // there is nothing left in it
	}
}
