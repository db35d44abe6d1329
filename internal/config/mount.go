package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// MaxMounts is how many directories a guest has room for.
const MaxMounts = 3

// Mount is a directory of the host that the guest may see.
type Mount struct {
	Dir      string // absolute; without symbolic links once it was found
	ReadOnly bool

	within string // a project's file may let the guest see what is in the project, and nothing else; "" for no such bound
}

// mountAccess is that of a list: a mount is a folder, with how it may be used behind it.
var mountAccess = access{
	allowed: "DIR, DIR:ro or DIR:rw",
	tags:    []string{yamlText},
	schema:  map[string]any{"type": "string", "minLength": 1},
	is:      func(text string) bool { return readMount(text).Dir != "" && !strings.ContainsRune(text, 0) },
	put: func(c *Config, texts []string) {
		for _, text := range texts {
			c.Mounts = append(c.Mounts, readMount(text))
		}
	},
	show: func(c *Config) string {
		var all []string
		for _, m := range c.Mounts {
			all = append(all, m.String())
		}
		return strings.Join(all, " ")
	},
	locate: func(text, base string) string {
		m := readMount(text)
		m.Dir = absolute(m.Dir, base)
		return m.String()
	},
}

func (m Mount) String() string {
	if m.ReadOnly {
		return m.Dir + ":ro"
	}
	return m.Dir + ":rw"
}

// readMount reads DIR, DIR:ro or DIR:rw.
func readMount(text string) Mount {
	if dir, ok := strings.CutSuffix(text, ":ro"); ok {
		return Mount{Dir: dir, ReadOnly: true}
	}
	return Mount{Dir: strings.TrimSuffix(text, ":rw")}
}

// FindMounts is the configuration with mounts that are there, by their names without symbolic links.
func (c Config) FindMounts() (Config, error) {
	if n := len(c.Mounts); n > MaxMounts {
		return c, fmt.Errorf("mount: %d directories, and the guest has room for %d", n, MaxMounts)
	}
	var found []Mount
	var errs []error
	for _, m := range c.Mounts {
		m, err := m.find()
		found, errs = append(found, m), append(errs, err)
	}
	c.Mounts = found
	return c, errors.Join(errs...)
}

func (m Mount) find() (Mount, error) {
	dir, err := filepath.EvalSymlinks(m.Dir)
	if err != nil {
		return m, fmt.Errorf("mount: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return m, fmt.Errorf("mount: %w", err)
	}
	if !info.IsDir() {
		return m, fmt.Errorf("mount %s: is not a directory", dir)
	}
	if m.within != "" {
		project, err := filepath.EvalSymlinks(m.within)
		if err != nil {
			return m, fmt.Errorf("mount: %w", err)
		}
		if !inside(project, dir) {
			return m, fmt.Errorf("mount %s: it leads to %s, out of %s: a project's file may mount what is in its folder; give others with --mount",
				m.Dir, dir, project)
		}
	}
	m.Dir = dir
	return m, nil
}

// inside says whether a path is another one, or below it, going by their names.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
