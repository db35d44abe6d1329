package instance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/qemu/qga"
)

// This file replaces the public secrets of an image by fresh ones. The product's images are told in the refresh (refresh.go);
// those of another profile have a program for it, or no secrets that could be replaced.

// rotates tells whether the guest is to get secrets of its own: when it has the public ones, or when nobody knows which. A disk
// is no longer fresh when a refresh has succeeded, so with it the secrets are.
func (b *Boot) rotates() bool {
	switch {
	case b.config.NoRotation || !b.profile.Rotates():
		return false
	case b.profile.Rotation != nil:
		return b.fresh
	}
	return b.fresh || !b.published()
}

func freshSecrets(names []string) map[string]string {
	secrets := map[string]string{}
	for _, name := range names {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		secrets[name] = hex.EncodeToString(secret)
	}
	return secrets
}

// secretNames are the secrets of this profile's images.
func (b *Boot) secretNames() []string {
	if b.profile.Rotation != nil {
		return b.profile.Rotation.Secrets
	}
	return guestapi.SecretNames
}

// rotateByProgram has the secrets replaced by the profile's program.
func (b *Boot) rotateByProgram(ctx context.Context, g *qga.Client) (guestapi.Step, error) {
	began, command := time.Now(), b.profile.Rotation.Command
	err := withoutSecrets(run(ctx, g, []byte(envLines(b.secrets)), command[0], command[1:]...), b.secrets)
	if err != nil {
		return guestapi.Step{}, fmt.Errorf("%s: %w", guestapi.StepRotation, err)
	}
	return guestapi.Step{Name: guestapi.StepRotation, Took: time.Since(began)}, nil
}
