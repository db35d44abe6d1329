// Package database brings the stack's database from nothing, or from an earlier version, to what the backend expects.
//
// It is run by the entry point before the backend serves. All of it may be repeated: an interrupted start leaves either
// the step before or the step after, because each migration is one transaction.
package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DefaultURL reaches PostgreSQL of the same container over its socket, where the server knows the caller by its user.
const DefaultURL = "postgres://stack@/stack?host=/run/postgresql"

// The pause between two attempts to reach the server grows from firstPause to maxPause.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// SQLSTATE codes (PostgreSQL manual, appendix A).
const (
	invalidCatalogName   = "3D000" // the database does not exist
	invalidAuthorization = "28000" // the role does not exist
	undefinedTable       = "42P01"
	duplicateObject      = "42710"
	duplicateDatabase    = "42P04"
)

// Connect waits until the server at url answers a query, and creates role and database when the server has none. It gives
// up when ctx ends, and at once on an answer that waiting does not change, such as a refused password.
//
// A query, and not an open port, is what counts: a server that is starting or recovering accepts connections, too.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	pause, created := firstPause, false
	for {
		conn, err := open(ctx, config)
		switch {
		case err == nil:
			return conn, nil
		case !created && (isCode(err, invalidCatalogName) || isCode(err, invalidAuthorization)):
			if err := create(ctx, config); err != nil {
				return nil, err
			}
			created = true
			continue
		case !worthWaiting(err):
			return nil, fmt.Errorf("database: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("database: %w; last: %w", context.Cause(ctx), err)
		case <-time.After(pause):
			pause = min(pause*3/2, maxPause)
		}
	}
}

func open(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "SELECT 1"); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

// worthWaiting tells errors of a server that is not up yet (no answer at all, or class 57, "operator intervention", which
// is what a server says while it starts or stops) from answers that stay.
func worthWaiting(err error) bool {
	var answer *pgconn.PgError
	return !errors.As(err, &answer) || strings.HasPrefix(answer.Code, "57")
}

// create makes the role and the database that config names, as the superuser of the server.
func create(ctx context.Context, config *pgx.ConnConfig) error {
	admin := config.Copy()
	admin.User, admin.Database = "postgres", "postgres"
	conn, err := open(ctx, admin)
	if err != nil {
		return fmt.Errorf("database: create %s: %w", config.Database, err)
	}
	defer conn.Close(ctx)
	role := pgx.Identifier{config.User}.Sanitize()
	name := pgx.Identifier{config.Database}.Sanitize()
	_, err = conn.Exec(ctx, "CREATE ROLE "+role+" LOGIN")
	if err != nil && !isCode(err, duplicateObject) {
		return fmt.Errorf("database: create role: %w", err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+role)
	if err != nil && !isCode(err, duplicateDatabase) {
		return fmt.Errorf("database: create %s: %w", config.Database, err)
	}
	return nil
}

func isCode(err error, code string) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == code
}
