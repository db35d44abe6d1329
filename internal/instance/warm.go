package instance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// This file is what is done with a run over its channels, in the order of a start and of an end.

// Load brings the snapshot or session into QEMU and lets the guest run.
func (b *Boot) Load(ctx context.Context, m *qmp.Conn) error {
	load := m.LoadLazy
	if b.session != nil {
		load = m.LoadDevices
	}
	if err := load(ctx, b.state); err != nil {
		return err
	}
	if err := b.plug(ctx, m); err != nil {
		return err
	}
	if b.session != nil {
		if err := b.session.claim(); err != nil { // from now on the disk goes on without it
			return err
		}
	}
	return m.Cont(ctx)
}

// entropyBytes is what a guest gets for its random pool: twice what the kernel's generator is keyed with.
const entropyBytes = 64

// Refresh brings the guest up to date: clock, entropy, this instance's ports, and secrets of its own, unless those that it has
// are its own already. It may be repeated.
func (b *Boot) Refresh(ctx context.Context, g *qga.Client) (guestapi.Result, error) {
	if b.secrets == nil && b.rotates() {
		b.secrets = freshSecrets()
	}
	request := guestapi.Request{Time: time.Now(), Entropy: make([]byte, entropyBytes), Runtime: b.runtimeEnv(),
		Mounts: b.guestMounts(), Secrets: b.secrets}
	_, _ = rand.Read(request.Entropy) // never fails
	input, err := json.Marshal(request)
	if err != nil {
		return guestapi.Result{}, err
	}
	out, err := g.Exec(ctx, guestapi.Program, []string{guestapi.Command}, input)
	if err != nil {
		return guestapi.Result{}, err
	}
	result, err := guestapi.ParseResult(out.Stdout)
	switch {
	case err != nil:
		return result, fmt.Errorf("%s: exit code %d, %w: %s", guestapi.Command, out.ExitCode, err, firstLine(out.Stderr))
	case result.Err() != nil:
		return result, fmt.Errorf("%s: %w", guestapi.Command, result.Err())
	case out.ExitCode != 0:
		return result, fmt.Errorf("%s: exit code %d: %s", guestapi.Command, out.ExitCode, firstLine(out.Stderr))
	}
	return result, nil
}

// rotates tells whether the guest is to get secrets of its own: when it has the public ones, or when nobody knows which.
func (b *Boot) rotates() bool {
	if b.config.NoRotation {
		return false
	}
	_, err := os.Stat(b.files.PublishedKey)
	return b.fresh || err != nil
}

func freshSecrets() map[string]string {
	secrets := map[string]string{}
	for _, name := range guestapi.SecretNames {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		secrets[name] = hex.EncodeToString(secret)
	}
	return secrets
}

// fenced tells whether the host ports stay closed until the guest is up to date.
func (b *Boot) fenced() bool { return b.Way == Capture || !b.config.NoRotation }

// OpenPorts lets the host ports lead to the guest. From here on its data is somebody's.
func (b *Boot) OpenPorts(ctx context.Context, m *qmp.Conn) error {
	if b.Way != Capture {
		if err := b.commit(); err != nil {
			return err
		}
	}
	if !b.fenced() {
		return nil
	}
	for _, s := range b.Services() {
		if err := m.AddForward(ctx, "net0", s.HostPort, s.GuestPort); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// Confirm makes known that the guest is as it should be: its publishable client key goes to where the product's tools look
// for it. It is called when the key works, and not before.
func (b *Boot) Confirm() error {
	key := b.secrets[guestapi.PublishableClientKey]
	if key == "" || b.Way == Capture {
		return nil
	}
	if err := renameio.WriteFile(b.files.PublishedKey, []byte(key), 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("publish the client key: %w", err)
	}
	return nil
}

// Quiet makes the guest ready for being saved: what it has written goes to its disk, and what is the host's goes away.
func (b *Boot) Quiet(ctx context.Context, g *qga.Client) error {
	if err := errors.Join(b.unmount(ctx, g), run(ctx, g, "/bin/sync")); err != nil {
		return err
	}
	if b.Way == Capture {
		_, err := g.Exec(ctx, guestapi.Program, []string{"--version"}, nil)
		b.tools = err == nil
	}
	return nil
}

// Save pauses the guest and writes the machine, as a snapshot or as a session. After a failure the guest runs on.
func (b *Boot) Save(ctx context.Context, m *qmp.Conn) error {
	err := b.unplug(ctx, m)
	if err != nil {
		return err
	}
	if err := m.Stop(ctx); err != nil {
		return err
	}
	if b.Way == Capture {
		err = m.SaveLazy(ctx, b.state)
	} else {
		err = b.saveSession(ctx, m)
	}
	if err != nil {
		again, cancel := context.WithTimeout(context.WithoutCancel(ctx), contTimeout)
		defer cancel()
		return errors.Join(err, m.Cont(again))
	}
	return nil
}

// contTimeout bounds the wish to let a guest run on whose save has failed.
const contTimeout = 5 * time.Second

// Manifest describes what was captured.
func (b *Boot) Manifest() snapshot.Manifest {
	return snapshot.Manifest{Argv: b.args, GuestTools: b.tools, Took: time.Since(b.began)}
}

// envLines is a file of variables, sorted.
func envLines(vars map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(&text, "%s=%s\n", name, vars[name])
	}
	return text.String()
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}

// run runs a program in the guest that has nothing to say unless it fails.
func run(ctx context.Context, g *qga.Client, program string, args ...string) error {
	out, err := g.Exec(ctx, program, args, nil)
	if err != nil {
		return err
	}
	if out.ExitCode != 0 {
		return fmt.Errorf("%s: exit code %d: %s", program, out.ExitCode, firstLine(out.Stderr))
	}
	return nil
}
