package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// Spec is what the service of an instance runs.
type Spec struct {
	Instance string
	Program  string   // absolute path of this program
	Args     []string // the command that runs the instance without a terminal
	Dir      string   // where it runs, so that it finds the project's settings
	Env      []string // NAME=value; nothing secret, for others may read it
	Log      string   // file for what it says before its own log is open; launchd's alone
}

// Manager is the system's manager of services.
type Manager struct {
	folder string // of its files
	name   func(instance string) string
	text   func(Spec) string

	enable  func(name, path string) [][]string // commands after the file was written
	disable func(name string) [][]string       // before it is removed
	removed func(name string) [][]string       // and after that
	show    func(name string) []string         // prints how it is

	run func(ctx context.Context, command ...string) (string, error)
}

// run is the real way to run a command.
func run(ctx context.Context, command ...string) (string, error) {
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, text)
	}
	return text, err
}

// Path is where the file of an instance's service is.
func (m *Manager) Path(instance string) string { return filepath.Join(m.folder, m.name(instance)) }

// Install writes the file and makes the manager know it. The service is started with the next session, not now.
func (m *Manager) Install(ctx context.Context, s Spec) (done []string, err error) {
	path, text := m.Path(s.Instance), m.text(s)
	switch old, err := os.ReadFile(path); {
	case err == nil && string(old) == text:
		done = append(done, path+" is as it should be")
	case err == nil || errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(m.folder, 0o755); err != nil {
			return done, err
		}
		if err := renameio.WriteFile(path, []byte(text), 0o644); err != nil {
			return done, err
		}
		done = append(done, "wrote "+path)
	default:
		return done, err
	}
	return m.all(ctx, done, m.enable(m.name(s.Instance), path))
}

// Remove undoes that. systemd stops an instance that the service has started; one of launchd's goes on until it is stopped.
func (m *Manager) Remove(ctx context.Context, instance string) (done []string, err error) {
	path := m.Path(instance)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if done, err = m.all(ctx, nil, m.disable(m.name(instance))); err != nil {
		return done, err
	}
	if err := os.Remove(path); err != nil {
		return done, err
	}
	return m.all(ctx, append(done, "removed "+path), m.removed(m.name(instance)))
}

// Status tells whether an instance has a service, and how that is, in the manager's words.
func (m *Manager) Status(ctx context.Context, instance string) (installed bool, words string, err error) {
	if _, err := os.Lstat(m.Path(instance)); errors.Is(err, fs.ErrNotExist) {
		return false, "", nil
	}
	words, err = m.run(ctx, m.show(m.name(instance))...)
	return true, strings.Join(strings.Split(words, "\n"), ", "), err
}

func (m *Manager) all(ctx context.Context, done []string, commands [][]string) ([]string, error) {
	for _, command := range commands {
		if _, err := m.run(ctx, command...); err != nil {
			return done, err
		}
		done = append(done, strings.Join(command, " "))
	}
	return done, nil
}
