package pack

import (
	"context"
	"io"
	"sync"
)

// Progress is told how many bytes have been done of how many, at least once for each 8 MiB; never by two goroutines at a
// time, and never less than before. It may be nil.
type Progress func(done, total int64)

// meter adds up what several goroutines have done.
type meter struct {
	mu          sync.Mutex
	done, total int64
	tell        Progress
}

func (m *meter) add(n int64) {
	if m.tell == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	m.tell(m.done, m.total)
}

// meteredReader counts what is read, and ends with its context.
type meteredReader struct {
	ctx   context.Context
	r     io.Reader
	meter *meter
}

func (r meteredReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.r.Read(p)
	r.meter.add(int64(n))
	return n, err
}
