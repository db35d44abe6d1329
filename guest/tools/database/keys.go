package database

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stackemu/stackemu/guest/tools/secret"
)

// The row of "ApiKeySet" that holds the keys of the internal project (design.md, "The guest contract").
const (
	internalProject = "internal"
	internalKeySet  = "3142e763-b230-44b5-8636-aa62f7489c26"
)

// internalExpiry is when the emulator's own keys expire: never, as far as it matters.
var internalExpiry = time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)

// KeySet are the three keys of the internal project.
type KeySet struct {
	PublishableClient, SecretServer, SuperSecretAdmin string
}

// KeySetFrom takes the keys out of an environment. Each must be 64 hexadecimal digits.
func KeySetFrom(env map[string]string) (KeySet, error) {
	keys := KeySet{env[secret.PublishableClientKey], env[secret.SecretServerKey], env[secret.SuperSecretAdminKey]}
	for _, name := range []string{secret.PublishableClientKey, secret.SecretServerKey, secret.SuperSecretAdminKey} {
		if err := secret.Check(name, env[name]); err != nil {
			return KeySet{}, err
		}
	}
	return keys, nil
}

// SetInternalKeys puts keys in force for the internal project.
func SetInternalKeys(ctx context.Context, conn *pgx.Conn, keys KeySet) error {
	_, err := conn.Exec(ctx, `
		INSERT INTO "ApiKeySet" ("projectId", "id", "description", "expiresAt", "createdAt", "updatedAt",
			"publishableClientKey", "secretServerKey", "superSecretAdminKey")
		VALUES ($1, $2, $3, $4, now(), now(), $5, $6, $7)
		ON CONFLICT ("projectId", "id") DO UPDATE SET "updatedAt" = now(), "expiresAt" = EXCLUDED."expiresAt",
			"publishableClientKey" = EXCLUDED."publishableClientKey", "secretServerKey" = EXCLUDED."secretServerKey",
			"superSecretAdminKey" = EXCLUDED."superSecretAdminKey"
		WHERE ("ApiKeySet"."expiresAt", "ApiKeySet"."publishableClientKey", "ApiKeySet"."secretServerKey", "ApiKeySet"."superSecretAdminKey")
			IS DISTINCT FROM (EXCLUDED."expiresAt", EXCLUDED."publishableClientKey", EXCLUDED."secretServerKey", EXCLUDED."superSecretAdminKey")`,
		internalProject, internalKeySet, "Internal API key set", internalExpiry,
		keys.PublishableClient, keys.SecretServer, keys.SuperSecretAdmin)
	if err != nil {
		return fmt.Errorf("database: internal keys: %w", err)
	}
	return nil
}
