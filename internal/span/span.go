// Package span lets a plain library say how long it has waited for something outside this process: a command of QEMU, a
// program, a request, a disk. Whoever calls the library hears of it through the context, or does not care.
//
// It promises that a span costs nothing worth mentioning when nobody listens, and that the listener is called once for each
// span, on the goroutine that ends it. A name is for the log: no secret may be part of it.
package span

import (
	"context"
	"time"
)

// Span is one wait for something outside.
type Span struct {
	Of    string // who was waited for: qmp, guest, http, qemu-img, qemu, disk, network
	Name  string // what for, in a few words
	Began time.Time
	Took  time.Duration
	Err   error
}

type key struct{}

// With is ctx under which listen hears of every span.
func With(ctx context.Context, listen func(Span)) context.Context {
	return context.WithValue(ctx, key{}, listen)
}

// Silent is ctx under which nobody hears of spans: for what is part of a larger one and would be noise beside it.
func Silent(ctx context.Context) context.Context {
	if ctx.Value(key{}) == nil {
		return ctx
	}
	return With(ctx, nil)
}

// Begin begins a span. The function that it returns ends it.
func Begin(ctx context.Context, of, name string) (end func(error)) {
	listen, _ := ctx.Value(key{}).(func(Span))
	if listen == nil {
		return func(error) {}
	}
	began := time.Now()
	return func(err error) { listen(Span{of, name, began, time.Since(began), err}) }
}

// Do is a span around f.
func Do(ctx context.Context, of, name string, f func() error) error {
	end := Begin(ctx, of, name)
	err := f()
	end(err)
	return err
}
