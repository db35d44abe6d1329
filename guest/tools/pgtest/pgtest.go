// Package pgtest runs a real PostgreSQL server for tests: its own data, only a socket, gone when the test ends.
//
// Any version that the machine has will do. Where there is none, Start says [ErrAbsent] and the test skips.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrAbsent means that the machine has no PostgreSQL server.
var ErrAbsent = errors.New("no PostgreSQL server is installed")

// startTimeout bounds the start of a server whose data exists.
const startTimeout = 30 * time.Second

// Server is a server that runs or is stopped. Make it with [New].
type Server struct {
	dir, bin   string
	credential *syscall.Credential
	process    *exec.Cmd
}

// New makes the data of a server, stopped. Close must be called.
func New() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest") // short: a socket's path has 107 bytes at most
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin}
	if err := s.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// initialise makes the data. The server refuses to run as root, so root hands it to the system's user for it.
func (s *Server) initialise() error {
	if os.Getuid() == 0 {
		owner, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, uidErr := strconv.ParseUint(owner.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(owner.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr, os.Chown(s.dir, int(uid), int(gid))); err != nil {
			return err
		}
		s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	out, err := s.command("initdb", "--pgdata", s.dir+"/data", "--username", "postgres", "--auth", "trust", "--no-sync",
		"--no-locale", "--encoding", "UTF8").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential}
	return cmd
}

func binaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		_, initdbErr := os.Stat(filepath.Join(dir, "initdb"))
		_, postgresErr := os.Stat(filepath.Join(dir, "postgres"))
		if initdbErr == nil && postgresErr == nil {
			return dir, nil
		}
	}
	return "", ErrAbsent
}

// URL names a database and a role of the server; neither need exist.
func (s *Server) URL(role, database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s", role, database, s.dir)
}

// Launch starts the server and does not wait for it.
func (s *Server) Launch() error {
	s.process = s.command("postgres", "-D", s.dir+"/data", "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	return s.process.Start()
}

// Start starts the server and waits until it answers.
func (s *Server) Start() error {
	if err := s.Launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres", "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pgtest: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop stops the server and keeps its data.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	err := s.process.Process.Signal(syscall.SIGINT)
	err = errors.Join(err, s.process.Wait())
	s.process = nil
	return err
}

// Close stops the server and removes its data.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}
