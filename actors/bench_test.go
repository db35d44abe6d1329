package actors

import (
	"bytes"
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/stackemu/stackemu/internal/lifecycle"
	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/messages"
)

// What the message log costs a start (and the stop after it), in CPU time of the whole process: the time on the clock is that of the
// fakes.
func BenchmarkStart(b *testing.B) {
	for name, fresh := range map[string]func() *msglog.Log{
		"with log":    func() *msglog.Log { return msglog.New(zerolog.Nop()) },
		"without log": func() *msglog.Log { return msglog.ConsoleOnly(zerolog.Nop()) },
	} {
		b.Run(name, func(b *testing.B) {
			world := &fakeWorld{dir: b.TempDir()}
			happened := make(chan messages.Observer, 1000)
			tree := start(Options{World: world, Policy: lifecycle.DefaultPolicy(), Log: zerolog.Nop(), RunID: "run", Observe: func(m messages.Observer) { happened <- m }},
				newLogbook(msglog.ConsoleOnly(zerolog.Nop()), fresh))
			began, starts := cpuTime(b), 0
			for b.Loop() {
				starts++
				tree.Tell(&messages.StartInstance{Instance: "default"})
				await(happened, func(m messages.Observer) bool { s, ok := m.(*messages.StateChanged); return ok && s.To == "ready" })
				tree.Tell(&messages.StopInstance{Instance: "default"})
				await(happened, func(m messages.Observer) bool { _, ok := m.(*messages.FleetIdle); return ok })
			}
			b.ReportMetric(float64((cpuTime(b)-began).Microseconds())/float64(starts), "cpu-µs/start")
			if err := tree.Close(context.Background()); err != nil {
				b.Error(err)
			}
			text, _ := os.ReadFile(world.MessagesLog()) // none without a log
			b.ReportMetric(float64(bytes.Count(text, []byte("\n")))/float64(starts), "records/start")
			b.ReportMetric(float64(len(text))/float64(starts), "bytes/start")
		})
	}
}

func await(happened <-chan messages.Observer, fits func(messages.Observer) bool) {
	for !fits(<-happened) {
	}
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
