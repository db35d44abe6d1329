package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Gateway is the host, as the guest sees it on QEMU's user network: connections to it come to the host's loopback device.
const Gateway = "10.0.2.2"

// Serve is the guest's end: it accepts an invitation of the host at an address, and runs the one program that it is asked for.
// It returns when the program has ended; nil means that the other end could be told. When ctx is done the program is ended.
func Serve(ctx context.Context, host string, i Invitation) error {
	config, err := i.Keys.serverConfig()
	if err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: handshakeTimeout} // keeps the connection alive, and so finds out that it is dead
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(i.Port)))
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if _, err := conn.Write(i.Token); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer server.Close()
	all.Go(func() { ssh.DiscardRequests(requests) }) // answers those that ask whether we live
	first, ok := <-channels
	if !ok {
		return errors.New("session: nothing was asked for")
	}
	all.Go(func() { rejectAll(channels) })
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	all.Go(func() {
		_ = server.Wait()
		end()
	})
	return serve(ctx, first)
}

// serve runs the program of a channel that is to be opened.
func serve(ctx context.Context, asked ssh.NewChannel) error {
	var p Program
	if asked.ChannelType() != channelProgram || json.Unmarshal(asked.ExtraData(), &p) != nil {
		return asked.Reject(ssh.UnknownChannelType, "not what can be opened here")
	}
	running, err := start(p)
	if err != nil {
		reason := refusedStart
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			reason = refusedNoProgram
		}
		return asked.Reject(reason, err.Error())
	}
	channel, about, err := asked.Accept()
	if err != nil {
		running.kill()
		return fmt.Errorf("session: %w", err)
	}
	defer channel.Close()
	defer running.close()
	var all sync.WaitGroup
	all.Go(func() {
		for r := range about {
			var size Size
			if r.Type == requestResize && json.Unmarshal(r.Payload, &size) == nil {
				running.resize(size)
			}
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	})
	defer all.Wait()
	defer channel.Close()
	exit := running.follow(ctx, channel)
	_, err = channel.SendRequest(requestExit, false, packed(exit))
	return err
}

// follow connects a program with the other end until both it and its output have ended. With ctx it is ended.
func (r *running) follow(ctx context.Context, channel ssh.Channel) Exit {
	go func() { // ends with the channel
		_, _ = io.Copy(r.in, channel)
		r.endInput()
	}()
	var outputs sync.WaitGroup
	outputs.Go(func() { _, _ = io.Copy(channel, r.out) })
	if r.err != nil {
		outputs.Go(func() { _, _ = io.Copy(channel.Stderr(), r.err) })
	}
	told := make(chan struct{})
	go func() {
		outputs.Wait()
		close(told)
	}()
	ended := r.ended
	for ended != nil || told != nil {
		select {
		case <-ended:
			ended = nil
			r.hangUp()
		case <-told:
			told = nil
		case <-ctx.Done():
			r.kill()
			return r.exit
		}
	}
	return r.exit
}
