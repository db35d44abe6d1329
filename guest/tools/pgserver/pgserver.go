// Package pgserver starts the PostgreSQL server of the container.
//
// The data directory is made at the first start, which for a published image is its build. It is made under another name
// and renamed, so an interrupted first start is simply done again. All settings come from files of the image and none
// from the data directory, so that an image with other settings works on old data.
package pgserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/stackemu/stackemu/guest/tools/owner"
)

// Config names the files of a server.
type Config struct {
	BinDir    string // directory of initdb and postgres
	DataDir   string
	SocketDir string
	ConfDir   string // directory of postgresql.conf, pg_hba.conf and pg_ident.conf
	User      string // the system user that the server runs as
}

// Default is the server of the container: Debian's PostgreSQL 17.
var Default = Config{
	BinDir:    "/usr/lib/postgresql/17/bin",
	DataDir:   "/var/lib/postgresql/stack",
	SocketDir: "/run/postgresql",
	ConfDir:   "/etc/stack/postgresql",
	User:      "postgres",
}

// Run makes the data directory if there is none and, by exec, becomes the server: it returns only an error. It must be
// called as root or as the server's user.
func Run(c Config) error {
	if err := owner.Become(c.User, filepath.Dir(c.DataDir), c.SocketDir); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	if err := c.initialise(); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	args := c.args()
	return fmt.Errorf("pgserver: %s: %w", args[0], syscall.Exec(args[0], args, os.Environ()))
}

func (c Config) initialise() error {
	if _, err := os.Stat(filepath.Join(c.DataDir, "PG_VERSION")); err == nil {
		return nil
	}
	fresh := c.DataDir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(c.BinDir, "initdb"), "--pgdata", fresh, "--username", "postgres",
		"--encoding", "UTF8", "--no-locale", "--auth-local", "peer", "--auth-host", "scram-sha-256", "--no-instructions")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	return os.Rename(fresh, c.DataDir)
}

func (c Config) args() []string {
	conf := func(name string) string { return filepath.Join(c.ConfDir, name) }
	// PostgreSQL finds its other files by the path that it was called with.
	return []string{filepath.Join(c.BinDir, "postgres"), "-D", c.DataDir,
		"-c", "config_file=" + conf("postgresql.conf"),
		"-c", "hba_file=" + conf("pg_hba.conf"),
		"-c", "ident_file=" + conf("pg_ident.conf"),
		"-c", "unix_socket_directories=" + c.SocketDir}
}
