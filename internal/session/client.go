package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

// Streams are the user's side of a program.
type Streams struct {
	In       io.Reader // nil: the program has no input. Run returns while a Read of it may still be waiting
	Out, Err io.Writer
	Resized  <-chan Size // of the terminal; may be nil
}

const (
	// handshakeTimeout is generous: the guest may be an emulated CPU that does something else.
	handshakeTimeout = 30 * time.Second
	// A guest that is asked this often has to answer within that.
	alivePause   = 15 * time.Second
	aliveTimeout = 30 * time.Second
)

var (
	// ErrLost says that the connection has ended before the program had.
	ErrLost = errors.New("the connection to the guest is lost")
	// ErrSilent says that the guest has not answered for too long.
	ErrSilent = errors.New("the guest does not answer any more")
)

// Run runs a program over a connection to the guest's end, until it has ended. When ctx is done, or a stream of ours fails, the
// connection is closed, and the program with it. Run closes the connection in any case.
func Run(ctx context.Context, conn io.ReadWriteCloser, keys Keys, p Program, s Streams) (Exit, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer conn.Close()
	exit, err := run(ctx, end, conn, keys, p, s)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // what has made us hang up, and not what came of that
	}
	return exit, err
}

func run(ctx context.Context, end context.CancelCauseFunc, conn io.ReadWriteCloser, keys Keys, p Program, s Streams) (Exit, error) {
	config, err := keys.clientConfig()
	if err != nil {
		return Exit{}, fmt.Errorf("session: %w", err)
	}
	late := time.AfterFunc(handshakeTimeout, func() { end(ErrSilent) })
	defer late.Stop()
	client, channels, requests, err := ssh.NewClientConn(wire{conn}, "", config)
	if err != nil {
		return Exit{}, fmt.Errorf("session: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer client.Close()
	defer stop()
	all.Go(func() { ssh.DiscardRequests(requests) })
	all.Go(func() { rejectAll(channels) })
	channel, about, err := client.OpenChannel(channelProgram, packed(p))
	if err != nil {
		return Exit{}, refusal(err)
	}
	late.Stop()
	all.Go(func() { keepAlive(ctx, client, end) })
	if s.Resized != nil {
		all.Go(func() { resize(ctx, channel, s.Resized) })
	}
	go feed(channel, s.In, end) // a Read of ours may not return
	return follow(channel, about, s)
}

// feed gives the program its input.
func feed(channel ssh.Channel, in io.Reader, end context.CancelCauseFunc) {
	if in != nil {
		if _, err := io.Copy(failing{channel}, in); err != nil && !errors.Is(err, errTheirs) {
			end(fmt.Errorf("standard input: %w", err))
			return
		}
	}
	_ = channel.CloseWrite()
}

// follow passes on what the program says, until its last word.
func follow(channel ssh.Channel, about <-chan *ssh.Request, s Streams) (exit Exit, err error) {
	var outputs errgroup.Group
	pass := func(out io.Writer, from io.Reader, name string) {
		outputs.Go(func() error {
			_, err := io.Copy(out, theirs{from})
			if err != nil && !errors.Is(err, errTheirs) {
				_ = channel.Close() // nobody hears it any more
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	pass(s.Out, channel, "standard output")
	pass(s.Err, channel.Stderr(), "standard error")
	ended := false
	for r := range about {
		if r.Type == requestExit && json.Unmarshal(r.Payload, &exit) == nil {
			ended = true
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
	}
	if err := outputs.Wait(); err != nil {
		return exit, err
	}
	if !ended {
		return exit, ErrLost
	}
	return exit, nil
}

// keepAlive notices that the guest has fallen silent.
func keepAlive(ctx context.Context, client ssh.Conn, end context.CancelCauseFunc) {
	tick := time.NewTicker(alivePause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		late := time.AfterFunc(aliveTimeout, func() { end(ErrSilent) })
		_, _, err := client.SendRequest(requestAlive, true, nil)
		late.Stop()
		if err != nil {
			return // the connection has ended
		}
	}
}

func resize(ctx context.Context, channel ssh.Channel, sizes <-chan Size) {
	for {
		select {
		case size := <-sizes:
			if _, err := channel.SendRequest(requestResize, false, packed(size)); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func rejectAll(channels <-chan ssh.NewChannel) {
	for c := range channels {
		_ = c.Reject(ssh.Prohibited, "nothing can be opened here")
	}
}

// errTheirs marks an error of the connection, which shows elsewhere.
var errTheirs = errors.New("of the connection")

type theirs struct{ io.Reader }

func (r theirs) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = errors.Join(errTheirs, err)
	}
	return n, err
}

type failing struct{ io.Writer }

func (w failing) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = errors.Join(errTheirs, err)
	}
	return n, err
}

// wire makes a connection of what has no address and no deadlines: those are the context's.
type wire struct{ io.ReadWriteCloser }

func (wire) LocalAddr() net.Addr              { return &net.UnixAddr{Net: "unix"} }
func (wire) RemoteAddr() net.Addr             { return &net.UnixAddr{Net: "unix"} }
func (wire) SetDeadline(time.Time) error      { return nil }
func (wire) SetReadDeadline(time.Time) error  { return nil }
func (wire) SetWriteDeadline(time.Time) error { return nil }
