package database

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/jackc/pgx/v5"
)

// ledger is the table that says which migrations are in. The name keeps out of the way of the product's own tables.
const ledger = `"_StackMigration"`

// lockKey serialises migrations of one database; any number that nothing else in it uses.
const lockKey = 0x73746b6d

// Migrate applies the *.sql files of dir in files that are not in the ledger, in the order of their names, each in a
// transaction of its own together with its entry. It returns the names of those that it has applied.
//
// A file that has changed since it was applied is an error: the database would not be what the files say.
func Migrate(ctx context.Context, conn *pgx.Conn, files fs.FS, dir string) ([]string, error) {
	names, err := fs.Glob(files, path.Join(dir, "*.sql"))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	slices.Sort(names)
	done, err := applied(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	var fresh []string
	for _, name := range names {
		script, err := fs.ReadFile(files, name)
		if err != nil {
			return fresh, fmt.Errorf("migrate: %w", err)
		}
		digest := sha256.Sum256(script)
		sum := hex.EncodeToString(digest[:])
		if old, found := done[name]; found {
			if old != sum {
				return fresh, fmt.Errorf("migrate: %s has changed since it was applied", name)
			}
			continue
		}
		wasNew, err := apply(ctx, conn, name, sum, string(script))
		if err != nil {
			return fresh, fmt.Errorf("migrate: %s: %w", name, err)
		}
		if wasNew {
			fresh = append(fresh, name)
		}
	}
	return fresh, nil
}

// applied returns the digest of each migration in the ledger. This one query is all that an up-to-date database costs.
func applied(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	done := map[string]string{}
	rows, err := conn.Query(ctx, `SELECT "name", "sha256" FROM `+ledger)
	if err == nil {
		var name, sum string
		_, err = pgx.ForEachRow(rows, []any{&name, &sum}, func() error {
			done[name] = sum
			return nil
		})
	}
	if isCode(err, undefinedTable) {
		return done, nil
	}
	return done, err
}

// apply runs one migration. Another process may have been quicker: the ledger is asked again under the lock.
func apply(ctx context.Context, conn *pgx.Conn, name, sum, script string) (bool, error) {
	wasNew := false
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lockKey); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS `+ledger+` (
			"name" text PRIMARY KEY, "sha256" text NOT NULL, "appliedAt" timestamptz NOT NULL DEFAULT now())`)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO `+ledger+` ("name", "sha256") VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, sum)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		wasNew = true
		// Simple protocol: a script is several statements.
		_, err = tx.Conn().PgConn().Exec(ctx, script).ReadAll()
		return err
	})
	return wasNew, err
}
