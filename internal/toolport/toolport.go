// Package toolport calls the guest's tools at the virtio-serial port where they listen (guest/tools/toolport has the other end).
//
// One call has one connection, a deadline, and an end: whatever is at the other end, a call costs no more than its context allows and
// a megabyte.
package toolport

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/span"
	"github.com/stackemu/stackemu/qemu"
)

// ErrUnheard is the error of a call that nobody has read, as far as can be told: another way may be taken.
var ErrUnheard = errors.New("the guest's tools do not answer at their port")

// heardTimeout is what a guest gets to say that it has read a call. It takes a tenth of a second under an emulated CPU, and seconds where
// eight of them are started at once on two real ones.
const heardTimeout = 10 * time.Second

// Call asks for what is in r, at the socket at path, and waits for what came of it. Steps that have failed are in the result.
func Call(ctx context.Context, path string, r *guestapi.Request) (guestapi.Result, error) {
	end := span.Begin(ctx, "guest", "call of the tools")
	result, err := call(ctx, path, r)
	end(err)
	if err != nil {
		return result, fmt.Errorf("toolport: %w", err)
	}
	return result, nil
}

func call(ctx context.Context, path string, r *guestapi.Request) (guestapi.Result, error) {
	conn, err := qemu.DialUnix(ctx, path)
	if err != nil {
		return guestapi.Result{}, fmt.Errorf("%w: %w", ErrUnheard, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	result, err := talk(conn, r)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, err
}

func talk(conn net.Conn, r *guestapi.Request) (guestapi.Result, error) {
	id := rand.Text()
	line, err := json.Marshal(guestapi.Call{ID: id, Request: r})
	if err != nil {
		return guestapi.Result{}, err
	}
	replies := bufio.NewScanner(io.LimitReader(conn, guestapi.MaxLine))
	replies.Buffer(nil, guestapi.MaxLine)
	_ = conn.SetDeadline(time.Now().Add(heardTimeout))
	// The first line break ends what somebody before us has begun.
	if _, err := fmt.Fprintf(conn, "\n%s\n", line); err != nil {
		return guestapi.Result{}, fmt.Errorf("%w: %w", ErrUnheard, err)
	}
	if _, err := next(replies, id); err != nil {
		return guestapi.Result{}, fmt.Errorf("%w: %w", ErrUnheard, err)
	}
	_ = conn.SetDeadline(time.Time{}) // the context's is the only one from here on
	reply, err := next(replies, id)
	switch {
	case err != nil:
		return guestapi.Result{}, err
	case reply.Result == nil || len(reply.Result.Steps) == 0:
		return guestapi.Result{}, errors.New("the guest's answer names no step")
	}
	return *reply.Result, nil
}

// next is the next reply to a call. Other lines are not for us.
func next(replies *bufio.Scanner, id string) (guestapi.Reply, error) {
	for replies.Scan() {
		var reply guestapi.Reply
		if json.Unmarshal(replies.Bytes(), &reply) == nil && reply.ID == id {
			return reply, nil
		}
	}
	if err := replies.Err(); err != nil {
		return guestapi.Reply{}, err
	}
	return guestapi.Reply{}, io.ErrUnexpectedEOF
}
