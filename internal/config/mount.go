package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ParseMount reads DIR, DIR:ro or DIR:rw. The directory must be there.
func ParseMount(text string) (Mount, error) {
	m := Mount{Dir: text}
	if dir, ok := strings.CutSuffix(text, ":ro"); ok {
		m.Dir, m.ReadOnly = dir, true
	} else {
		m.Dir = strings.TrimSuffix(text, ":rw")
	}
	if m.Dir == "" {
		return Mount{}, fmt.Errorf("mount %q: want DIR, DIR:ro or DIR:rw", text)
	}
	dir, err := filepath.Abs(m.Dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return Mount{}, fmt.Errorf("mount: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return Mount{}, fmt.Errorf("mount: %w", err)
	}
	if !info.IsDir() {
		return Mount{}, fmt.Errorf("mount %s: is not a directory", dir)
	}
	m.Dir = dir
	return m, nil
}
