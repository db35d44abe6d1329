package guest

import (
	"context"
	"io"
	"os/exec"
	"sync"
)

// group runs programs and functions side by side. The first failure is the group's, and stops the others.
type group struct {
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	once   sync.Once
	err    error
}

func newGroup(ctx context.Context) (*group, context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{cancel: cancel}, ctx
}

// do runs f in the group.
func (g *group) do(f func() error) {
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		if err := f(); err != nil {
			g.once.Do(func() { g.err = err; g.cancel(err) })
		}
	}()
}

// output runs cmd, which belongs to ctx, and returns its standard output. That ends with the error of cmd if it fails, and
// with ctx: neither side waits for the other then.
func (g *group) output(ctx context.Context, cmd *exec.Cmd, log io.Writer) io.Reader {
	r, w := io.Pipe()
	cmd.Stdout = w
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	g.do(func() error {
		err := runCommand(cmd, log)
		w.CloseWithError(err) // nil is the end of the stream
		return err
	})
	return r
}

// input runs cmd, which belongs to ctx, and returns its standard input. Close it for cmd to end.
func (g *group) input(ctx context.Context, cmd *exec.Cmd, log io.Writer) io.WriteCloser {
	r, w := io.Pipe()
	cmd.Stdin = r
	context.AfterFunc(ctx, func() { r.CloseWithError(context.Cause(ctx)) })
	g.do(func() error {
		err := runCommand(cmd, log)
		if err != nil {
			r.CloseWithError(err)
		}
		return err
	})
	return w
}

// wait returns when all have ended.
func (g *group) wait() error {
	g.wg.Wait()
	g.cancel(nil)
	return g.err
}
