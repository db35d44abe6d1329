package control

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// keepEvery is how often a server looks for its socket. Tests have no time.
var keepEvery = 2 * time.Second

// keep makes the socket anew when somebody has removed it: nobody could reach the supervisor any more, and nobody else could have
// its instance. It ends with [Server.Hide].
func (v *Server) keep() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-v.hidden:
			return
		case <-tick.C:
		}
		if _, err := os.Lstat(v.path); errors.Is(err, fs.ErrNotExist) {
			v.again()
		}
	}
}

// again listens at the path once more. Where that is not possible now, the next look tries again.
func (v *Server) again() {
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.hidden:
		return
	default:
	}
	l, copied, err := qemu.Listen(v.path)
	if err != nil {
		return
	}
	_ = copied.Close()
	_ = v.listener.Close()
	v.listener.UnixListener = l
	v.serveAt(v.listener)
}

// serveAt serves at a listener, until that is closed.
func (v *Server) serveAt(l ownersOnly) {
	v.serving.Go(func() { _ = v.http.Serve(l) })
}
