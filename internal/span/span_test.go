package span

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestListenerHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []Span
		ctx := With(t.Context(), func(s Span) { heard = append(heard, s) })
		broken := errors.New("broken")
		began := time.Now()
		err := Do(ctx, "qmp", "query-status", func() error { time.Sleep(time.Second); return broken })
		if err != broken || len(heard) != 1 || heard[0] != (Span{"qmp", "query-status", began, time.Second, broken}) {
			t.Errorf("heard %v, %v", heard, err)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	for _, ctx := range []context.Context{t.Context(), Silent(t.Context()), Silent(With(t.Context(), func(Span) { t.Error("heard") }))} {
		Begin(ctx, "qmp", "stop")(nil)
	}
}

func BenchmarkNobodyListens(b *testing.B) {
	for b.Loop() {
		Begin(b.Context(), "qmp", "stop")(nil)
	}
}
