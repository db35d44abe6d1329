// Package entrypoint is what supervisord runs as "stack-app": it brings up the backend and the dashboard.
//
// Order is by readiness, not by time. Both servers are started at once, because loading Node is what takes long; the
// backend waits at a gate and does not listen before the database has been migrated and holds the keys in force. So no
// request is ever answered by an old key or an old table. When one server ends the other is ended, and the exit code is
// that of the first; nothing is left that keeps a port.
package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stackemu/stackemu/guest/tools/database"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/inforce"
	"github.com/stackemu/stackemu/guest/tools/nodeblob"
	"github.com/stackemu/stackemu/guest/tools/procgroup"
	"github.com/stackemu/stackemu/guest/tools/sentinel"
)

// Config names the places of the container.
type Config struct {
	App    string // the application: backend/, dashboard/, migrations/, seed/
	RunDir string // environment files
	Node   string // the Node binary
	User   string // the system user of the servers; "" is the caller's
	Log    io.Writer
	NoBlob bool // start Node without a start-up snapshot

	MockOAuth, MockOAuthHost string // the address to forward from, and to
}

// Default is the container of the reference image.
var Default = Config{App: "/app", RunDir: "/run/stack-auth", Node: "/usr/bin/node", User: "www-data", Log: os.Stderr,
	MockOAuth: mockOAuth, MockOAuthHost: mockOAuthHost}

// defaultWorkDir is where the servers run: a copy of the application with its sentinels filled. Node's start-up snapshot lies
// there, too.
const defaultWorkDir = "/var/tmp/stack-runtime"

// databaseTimeout bounds the wait for PostgreSQL and the migrations. The first start makes a database under a slow
// emulator; a later one needs less than a second.
const databaseTimeout = 5 * time.Minute

// stopGrace is how long the servers may finish their requests before they are killed. It is shorter than supervisord's
// stopwaitsecs, so that it is this program that ends them.
const stopGrace = 4 * time.Second

// Run brings the servers up and returns the exit code when they have ended. A value from signals is passed on to them.
func Run(ctx context.Context, c Config, environ []string, signals <-chan os.Signal) (int, error) {
	// Before the environment is read: should a file change in between, this is the digest of the old one, for which nobody
	// waits.
	digest, err := inforce.Digest(c.RunDir)
	if err != nil {
		return 1, err
	}
	env, err := LoadEnv(environ, c.RunDir)
	if err != nil {
		return 1, err
	}
	keys, err := internalKeys(env) // before anything is touched
	if err != nil {
		return 1, err
	}
	work, err := c.fillApp(env)
	if err != nil {
		return 1, err
	}
	group := procgroup.New()
	defer group.Stop(syscall.SIGTERM, stopGrace)
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	if env["STACK_FORWARD_MOCK_OAUTH_SERVER"] == "true" {
		listener, err := net.Listen("tcp", c.MockOAuth)
		if err != nil {
			return 1, fmt.Errorf("entrypoint: forward: %w", err)
		}
		wait.Go(func() { forward(ctx, listener, c.MockOAuthHost, c.Log) })
	}
	gate, err := c.startServers(group, env, work, c.node(ctx, work))
	if err != nil {
		return 1, err
	}
	defer gate.Close()
	prepared := make(chan error, 1)
	wait.Go(func() { prepared <- c.prepareDatabase(ctx, env, keys) })
	open := func() error {
		if _, err := gate.Write([]byte{1}); err != nil {
			return fmt.Errorf("entrypoint: open the gate: %w", err)
		}
		inforce.Tell(c.RunDir, digest)
		return nil
	}
	code, err := supervise(group, prepared, open, signals)
	if code == nodeblob.Refused {
		err = errors.Join(err, nodeblob.Remove(work)) // the next start makes another
	}
	return code, err
}

// fillApp makes the servers' working directory of the application, or brings it up to date, and returns it.
func (c Config) fillApp(env envfile.Vars) (string, error) {
	work := env["STACK_RUNTIME_WORK_DIR"]
	if work == "" {
		work = defaultWorkDir
	}
	work, err := filepath.Abs(work)
	if err == nil {
		_, err = sentinel.Render(c.App, work, env)
	}
	if err != nil {
		return "", fmt.Errorf("entrypoint: %w", err)
	}
	return work, nil
}

// node returns the command that runs a script: Node, from its start-up snapshot if it can be had.
func (c Config) node(ctx context.Context, work string) []string {
	if c.NoBlob {
		return []string{c.Node}
	}
	args, err := nodeblob.Args(ctx, c.Node, work)
	if err != nil {
		fmt.Fprintln(c.Log, "entrypoint: a slower start:", err)
		return []string{c.Node}
	}
	return append([]string{c.Node}, args...)
}

// supervise calls open when the database is prepared, and returns when a server has ended or a signal has come.
func supervise(group *procgroup.Group, prepared <-chan error, open func() error, signals <-chan os.Signal) (int, error) {
	for {
		select {
		case err := <-prepared:
			if err == nil {
				err = open()
			}
			if err != nil {
				return 1, err
			}
		case exit := <-group.Exited():
			group.Reaped()
			return exit.Code, fmt.Errorf("entrypoint: %s ended with code %d", exit.Name, exit.Code)
		case sig := <-signals:
			number, ok := sig.(syscall.Signal)
			if !ok || number == syscall.SIGINT || number == syscall.SIGTERM || number == syscall.SIGQUIT {
				return 0, nil // asked for, so a success; the caller's Stop ends the servers
			}
			group.Signal(number)
		}
	}
}

// startServers starts dashboard and backend. A byte written to the gate that it returns lets the backend listen; a gate
// that closes without one makes it end.
func (c Config) startServers(group *procgroup.Group, env envfile.Vars, work string, node []string) (gate *os.File, err error) {
	credential, err := lookUp(c.User)
	if err != nil {
		return nil, fmt.Errorf("entrypoint: %w", err)
	}
	waiting, gate, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("entrypoint: %w", err)
	}
	defer waiting.Close()

	script := func(path string) []string { return append(slices.Clone(node), filepath.Join(work, path)) }
	backend := envfile.Vars{"STACK_START_GATE_FD": "3"}
	backend.Merge(env)
	err = errors.Join(
		group.Start(procgroup.Program{Name: "backend", Args: script("backend/server.js"),
			Env: backend.Environ(), Dir: work, Credential: credential, Gate: waiting}),
		group.Start(procgroup.Program{Name: "dashboard", Args: script("dashboard/server.js"),
			Env: publicEnv(env).Environ(), Dir: work, Credential: credential}))
	if err != nil {
		return nil, errors.Join(err, gate.Close())
	}
	return gate, nil
}

// prepareDatabase migrates and seeds the database and puts the internal keys, if there are any, in force. The files are the
// application's own: one that has been applied must not change, as a copy would with the values in it.
func (c Config) prepareDatabase(ctx context.Context, env envfile.Vars, keys *database.KeySet) error {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	url := env["STACK_DATABASE_CONNECTION_STRING"]
	if url == "" {
		url = database.DefaultURL
	}
	conn, err := database.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, step := range []struct{ name, dir string }{{"MIGRATIONS", "migrations"}, {"SEED_SCRIPT", "seed"}} {
		if !wanted(env, step.name) {
			continue
		}
		fresh, err := database.Migrate(ctx, conn, os.DirFS(c.App), step.dir)
		if err != nil {
			return err
		}
		for _, name := range fresh {
			fmt.Fprintln(c.Log, "entrypoint: applied", name)
		}
	}
	if keys == nil {
		return nil
	}
	return database.SetInternalKeys(ctx, conn, *keys)
}

// lookUp returns the credential of a system user.
func lookUp(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	account, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
