package qemu

import (
	"errors"
	"fmt"
)

// Adopted is a running process that another process, now gone, has started. Nobody is told its exit code.
type Adopted struct {
	id   Identity
	done chan struct{}
}

// Adopt takes over the process with an identity. It fails when that process is gone. As a [Process], the adopted one belongs
// to nobody's context; one goroutine waits for its end.
func Adopt(id Identity) (*Adopted, error) {
	w, err := watchEnd(id.PID)
	if err == nil && !id.Alive() { // asked after the watch began: what is watched is that process, or another one
		err = errors.Join(errGone, w.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("qemu: adopt process %d: %w", id.PID, err)
	}
	a := &Adopted{id, make(chan struct{})}
	go func() {
		defer close(a.done)
		defer w.Close()
		w.wait()
	}()
	return a, nil
}

// PID returns the process id. It may be somebody else's once Done is closed.
func (a *Adopted) PID() int { return a.id.PID }

// Done is closed when the process has ended.
func (a *Adopted) Done() <-chan struct{} { return a.done }

// Err returns nil: how the process has ended was told to the one that had started it, or to nobody.
func (a *Adopted) Err() error { return nil }

// Kill ends the process at once. It never hits another process.
func (a *Adopted) Kill() {
	// What is left to fail is that the process is gone, or not ours any more, which Done tells or nobody can mend.
	_ = a.id.Kill()
}
