package download

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// minRate is what a connection must deliver, in bytes per second, to count as alive. Who sends a byte now and then to keep a
// connection from timing out is worse than one who is gone.
const minRate = 1 << 10

// watch ends a context when too little is read within each window.
type watch struct {
	read   atomic.Int64
	timer  *time.Timer
	window time.Duration
	cancel context.CancelCauseFunc
}

func newWatch(window time.Duration, cancel context.CancelCauseFunc) *watch {
	w := &watch{window: window, cancel: cancel}
	w.timer = time.AfterFunc(time.Hour, w.check)
	w.timer.Reset(window) // not before the field is set: check reads it
	return w
}

func (w *watch) check() {
	if float64(w.read.Swap(0)) < minRate*w.window.Seconds() {
		w.cancel(ErrStalled)
		return
	}
	w.timer.Reset(w.window)
}

func (w *watch) stop() { w.timer.Stop() }

// over counts what is read from r.
func (w *watch) over(r io.Reader) io.Reader { return watched{w, r} }

type watched struct {
	*watch
	r io.Reader
}

func (r watched) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.read.Add(int64(n))
	return n, err
}
