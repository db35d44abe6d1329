// Package worktree derives the name of an instance from the git worktree that somebody works in, so that the same command in
// two checkouts means two instances, and always the same two.
package worktree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stackemu/stackemu/internal/home"
)

const (
	maxName   = 32 // what home.CheckName allows
	hashChars = 6  // sixteen million: no two worktrees of one person
)

// Name is the name for the worktree around dir, or for dir itself where there is none. Symbolic links make no difference.
func Name(dir string) (string, error) {
	root, err := Root(dir)
	if err != nil {
		return "", fmt.Errorf("the worktree's name: %w", err)
	}
	return nameOf(root), nil
}

// Root is the top folder of the git worktree around dir, without symbolic links; dir itself where there is none.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil { // a folder, or a file in a linked worktree
			return at, nil
		}
		if at == filepath.Dir(at) {
			return dir, nil
		}
	}
}

// nameOf is what is left of the last part of a path, and a short hash of the whole of it.
func nameOf(path string) string {
	sum := sha256.Sum256([]byte(path))
	hash := hex.EncodeToString(sum[:])[:hashChars]
	base := sanitised(filepath.Base(path))
	base = strings.TrimRight(base[:min(len(base), maxName-1-hashChars)], "-")
	name := strings.TrimLeft(base+"-"+hash, "-")
	if home.CheckName(name) != nil {
		return hash
	}
	return name
}

// sanitised keeps letters and digits; what was between them becomes a hyphen.
func sanitised(text string) string {
	fields := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(fields, "-")
}
