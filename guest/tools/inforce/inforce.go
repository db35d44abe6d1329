// Package inforce is how the entry point tells that the environment it was started with is in force: the database holds its
// keys, the built pages too, and the gate is open.
//
// Whoever changes the environment and restarts the services listens first ([Listen]), and then waits for the digest of what
// it has written. The entry point tells ([Tell]) whether anybody listens or not. Nothing polls, and a message of an entry
// point that was started too early has another digest.
package inforce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/stackemu/stackemu/guest/tools/stackenv"
)

// socket is a Unix datagram socket in the directory that guest and container share.
const socket = "in-force.sock"

// tellTimeout bounds the telling: a listener that does not read is none.
const tellTimeout = 2 * time.Second

// Digest identifies the environment in runDir. It gives nothing away: what it covers has 1024 bits of secrets.
func Digest(runDir string) (string, error) {
	sum := sha256.New()
	for _, name := range []string{stackenv.EnvFile, stackenv.RotatedFile} {
		text, err := os.ReadFile(filepath.Join(runDir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("inforce: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Tell says that the environment with this digest is in force, to whoever listens. That nobody does, or no longer, is no
// error: the servers are up all the same.
func Tell(runDir, digest string) {
	conn, err := net.Dial("unixgram", filepath.Join(runDir, socket))
	if err != nil {
		return
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(tellTimeout)); err != nil {
		return
	}
	_, _ = conn.Write([]byte(digest))
}

// Listener hears what is told about one environment.
type Listener struct {
	conn *net.UnixConn
	path string
}

// Listen makes a listener; there may be one at a time. Close it.
func Listen(runDir string) (*Listener, error) {
	path := filepath.Join(runDir, socket)
	if err := removeIfThere(path); err != nil { // of one that was killed
		return nil, fmt.Errorf("inforce: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("inforce: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("inforce: %w", errors.Join(err, conn.Close()))
	}
	return &Listener{conn, path}, nil
}

// Wait returns when digest has been told, or with the cause of ctx's end. It may be called again.
func (l *Listener) Wait(ctx context.Context, digest string) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = l.conn.SetReadDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-interrupted
			_ = l.conn.SetReadDeadline(time.Time{})
		}
	}()
	message := make([]byte, 2*sha256.Size+1)
	for {
		n, err := l.conn.Read(message)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("inforce: %w", err)
		}
		if string(message[:n]) == digest {
			return nil
		}
	}
}

// Close ends the listening.
func (l *Listener) Close() error { return errors.Join(l.conn.Close(), removeIfThere(l.path)) }

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
