package download

import (
	"net/http"
	"sync/atomic"
	"testing"
)

// Connections that bring nothing get company, up to the limit.
func TestSlowConnectionsGetCompany(t *testing.T) {
	o := newOrigin(t, mib)
	var now, most atomic.Int64
	three := make(chan struct{})
	o.faults(func(n int, w http.ResponseWriter, r *http.Request) bool {
		defer now.Add(-1)
		for here := now.Add(1); ; {
			if before := most.Load(); here <= before || most.CompareAndSwap(before, here) {
				break
			}
		}
		switch {
		case n == 1: // what the others are asked for is known from its answer
		case n == 4:
			close(three)
		case n < 4:
			<-three
		}
		serve(w, r, o.body, o.etag)
		return true
	})
	opt := o.options()
	opt.Connections = 3
	o.fetches(opt)
	if most.Load() != 3 {
		t.Errorf("up to %d connections at a time", most.Load())
	}
}
