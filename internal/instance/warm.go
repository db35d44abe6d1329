package instance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/internal/profile"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/qemu/qga"
	"github.com/stackemu/stackemu/qemu/qmp"
)

// This file is what is done with a run over its channels, in the order of a start and of an end.

// Load brings the snapshot or session into QEMU and lets the guest run.
func (b *Boot) Load(ctx context.Context, m *qmp.Conn) error {
	if err := b.load(ctx, m); err != nil {
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
	for n := range b.profile.Services {
		s := &b.profile.Services[n]
		if err := b.forward(ctx, m, s); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// forward lets a service's host port lead to the guest. The port of a capture was free when it was chosen; if it is not any
// more, another one does as well.
func (b *Boot) forward(ctx context.Context, m *qmp.Conn, s *profile.Service) error {
	for tries := 1; ; tries++ {
		err := m.AddForward(ctx, "net0", s.HostPort, s.GuestPort)
		var taken *qmp.PortError
		if b.Way != Capture || !errors.As(err, &taken) || tries == maxPortTries {
			return err
		}
		port, closer, err := anyPort()
		if err != nil {
			return err
		}
		_ = closer.Close()
		s.HostPort = port
	}
}

// maxPortTries is how often a capture may find that its port was taken meanwhile.
const maxPortTries = 5

// Confirm makes known that the guest is as it should be: its publishable client key goes to where the product's tools look
// for it. It is called when the key works, and not before.
func (b *Boot) Confirm() error {
	if b.Way == Capture || b.Way == Adopt {
		return nil
	}
	if err := b.writeRecord(); err != nil {
		return err
	}
	key := b.secrets[guestapi.PublishableClientKey]
	if key == "" {
		return nil
	}
	if err := renameio.WriteFile(b.files.PublishedKey, []byte(key), 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("publish the client key: %w", err)
	}
	return nil
}

// Quiet makes the guest ready for being saved: what it has written goes to its disk, and what is the host's goes away. What is captured
// has come to rest before.
func (b *Boot) Quiet(ctx context.Context, g *qga.Client) error {
	if b.Way == Capture {
		settle(ctx, g.CPUTime)
	}
	if err := errors.Join(b.unmount(ctx, g), run(ctx, g, nil, "/bin/sync")); err != nil {
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
		err = b.format().save(ctx, m, *b.kept)
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
	return snapshot.Manifest{Argv: b.args, GuestTools: b.tools, Runtime: b.runtimeEnv(), Took: time.Since(b.began)}
}

// envLines is a file of variables, sorted.
func envLines(vars map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(&text, "%s=%s\n", name, vars[name])
	}
	return text.String()
}
