package database

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stackemu/stackemu/guest/stack"
	"github.com/stackemu/stackemu/guest/tools/pgtest"
	"github.com/stackemu/stackemu/guest/tools/secret"
)

// server is shared by the tests, each of which has a database of its own; nil where PostgreSQL is not installed.
var server *pgtest.Server

func TestMain(m *testing.M) {
	var err error
	if server, err = pgtest.New(); err == nil {
		err = server.Start()
	}
	if err != nil && !errors.Is(err, pgtest.ErrAbsent) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if server != nil {
		if err := server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// connect opens a database named after the test, which does not exist before.
func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	if server == nil {
		t.Skip(pgtest.ErrAbsent)
	}
	name := strings.ToLower(t.Name())
	conn, err := Connect(t.Context(), server.URL("role-"+name, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestConnectCreatesOnce(t *testing.T) {
	conn := connect(t)
	var owner string
	err := conn.QueryRow(t.Context(), `SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()`).Scan(&owner)
	if err != nil || owner != "role-testconnectcreatesonce" {
		t.Errorf("owner = %q, %v", owner, err)
	}
	connect(t)
}

func TestConnectWaitsForTheServer(t *testing.T) {
	if server == nil {
		t.Skip(pgtest.ErrAbsent)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	url := server.URL("postgres", "postgres")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a server: err = %v, want DeadlineExceeded", err)
	}
	opened := make(chan error, 1)
	go func() {
		conn, err := Connect(context.Background(), url)
		if err == nil {
			err = conn.Close(context.Background())
		}
		opened <- err
	}()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestConnectDoesNotWaitForARefusal(t *testing.T) {
	if server == nil {
		t.Skip(pgtest.ErrAbsent)
	}
	if _, err := Connect(t.Context(), "postgres://postgres@/template0?host="+strings.Split(server.URL("", ""), "host=")[1]); err == nil {
		t.Error("no error for a database that takes no connections")
	}
	if _, err := Connect(t.Context(), "nonsense://"); err == nil {
		t.Error("no error for nonsense")
	}
}

func TestMigrateAppliesInOrderAndOnce(t *testing.T) {
	conn := connect(t)
	files := fstest.MapFS{
		"m/0002.sql": {Data: []byte("ALTER TABLE a ADD COLUMN y int; INSERT INTO a VALUES (1, 2);")},
		"m/0001.sql": {Data: []byte("CREATE TABLE a (x int);")},
		"m/notes.md": {Data: []byte("no SQL")},
	}
	for _, want := range []int{2, 0} {
		fresh, err := Migrate(t.Context(), conn, files, "m")
		if err != nil || len(fresh) != want {
			t.Fatalf("Migrate = %v, %v, want %d", fresh, err, want)
		}
	}
	files["m/0003.sql"] = &fstest.MapFile{Data: []byte("DROP TABLE a;")}
	if fresh, err := Migrate(t.Context(), conn, files, "m"); err != nil || len(fresh) != 1 || fresh[0] != "m/0003.sql" {
		t.Errorf("Migrate = %v, %v, want the new one", fresh, err)
	}
	files["m/0001.sql"].Data = []byte("CREATE TABLE b (x int);")
	if _, err := Migrate(t.Context(), conn, files, "m"); err == nil || !strings.Contains(err.Error(), "0001.sql has changed") {
		t.Errorf("err = %v, want one about the changed file", err)
	}
}

func TestMigrateLeavesNothingOfAFailure(t *testing.T) {
	conn := connect(t)
	files := fstest.MapFS{"m/1.sql": {Data: []byte("CREATE TABLE a (x int); SELECT 1/0;")}}
	if _, err := Migrate(t.Context(), conn, files, "m"); !isCode(err, "22012") {
		t.Errorf("err = %v, want a division by zero", err)
	}
	files["m/1.sql"].Data = []byte("CREATE TABLE a (x int);")
	if fresh, err := Migrate(t.Context(), conn, files, "m"); err != nil || len(fresh) != 1 {
		t.Errorf("after the file was mended: %v, %v", fresh, err)
	}
}

func TestMigrateFromTwoSides(t *testing.T) {
	first, second := connect(t), connect(t)
	files := fstest.MapFS{}
	for i := range 10 {
		files[fmt.Sprintf("m/%02d.sql", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "CREATE TABLE t%d ();", i)}
	}
	counts, errs := make([]int, 2), make([]error, 2)
	var wait sync.WaitGroup
	for i, conn := range []*pgx.Conn{first, second} {
		wait.Go(func() {
			fresh, err := Migrate(t.Context(), conn, files, "m")
			counts[i], errs[i] = len(fresh), err
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil || counts[0]+counts[1] != 10 {
		t.Errorf("applied %v, %v, want 10 together", counts, err)
	}
}

// The migrations and the seed of the reference stack, and its keys.
func TestReferenceStack(t *testing.T) {
	conn := connect(t)
	for _, dir := range []string{"app/migrations", "app/seed"} {
		if fresh, err := Migrate(t.Context(), conn, stack.Files, dir); err != nil || len(fresh) == 0 {
			t.Fatalf("%s: %v, %v", dir, fresh, err)
		}
	}
	env := secret.Placeholders()
	keys, err := KeySetFrom(env)
	if err != nil {
		t.Fatal(err)
	}
	read := func() (stored KeySet, updated time.Time) {
		err := conn.QueryRow(t.Context(), `SELECT "publishableClientKey", "secretServerKey", "superSecretAdminKey", "updatedAt"
			FROM "ApiKeySet" WHERE "projectId" = 'internal' AND "id" = '3142e763-b230-44b5-8636-aa62f7489c26'
			AND "expiresAt" = '2099-12-31T23:59:59Z'`).Scan(&stored.PublishableClient, &stored.SecretServer, &stored.SuperSecretAdmin, &updated)
		if err != nil {
			t.Fatal(err)
		}
		return stored, updated
	}
	var times []time.Time
	for range 2 {
		if err := SetInternalKeys(t.Context(), conn, keys); err != nil {
			t.Fatal(err)
		}
		stored, updated := read()
		if stored != keys {
			t.Errorf("stored %+v, want %+v", stored, keys)
		}
		times = append(times, updated)
	}
	if !times[0].Equal(times[1]) {
		t.Error("setting the same keys again changed the row")
	}
	keys.SecretServer = strings.Repeat("5", 64)
	if err := SetInternalKeys(t.Context(), conn, keys); err != nil {
		t.Fatal(err)
	}
	if stored, _ := read(); stored != keys {
		t.Errorf("stored %+v, want %+v", stored, keys)
	}
	// The same keys with another expiry, as a seed of the product's may have left them; read asks for the right one.
	if _, err := conn.Exec(t.Context(), `UPDATE "ApiKeySet" SET "expiresAt" = '2020-01-01' WHERE "projectId" = 'internal'`); err != nil {
		t.Fatal(err)
	}
	if err := SetInternalKeys(t.Context(), conn, keys); err != nil {
		t.Fatal(err)
	}
	if stored, _ := read(); stored != keys {
		t.Errorf("stored %+v, want %+v", stored, keys)
	}
}

func TestKeySetFromRefuses(t *testing.T) {
	for _, name := range []string{secret.PublishableClientKey, secret.SecretServerKey, secret.SuperSecretAdminKey} {
		for _, bad := range []string{"", "'; DROP TABLE \"ApiKeySet\"; --", strings.Repeat("F", 64)} {
			env := maps.Clone(secret.Placeholders())
			env[name] = bad
			if _, err := KeySetFrom(env); !errors.Is(err, secret.ErrFormat) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%q: err = %v", name, bad, err)
			}
		}
	}
}
