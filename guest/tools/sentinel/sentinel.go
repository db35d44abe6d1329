// Package sentinel fills the placeholders in a built web application.
//
// A build does not know the keys and addresses of the machine that will run it, so it leaves STACK_ENV_VAR_SENTINEL_<NAME>
// where the value of the variable <NAME> belongs. [Render] copies the built tree and fills them in the copy; the build
// itself is never touched, so that it can be filled again with other values after keys or ports have changed.
package sentinel

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Marker is the file in a filled tree that says what it was filled with, as a digest.
const Marker = ".stack-sentinels-replaced"

var pattern = regexp.MustCompile(`STACK_ENV_VAR_SENTINEL_([A-Z][A-Z0-9_]*)`)

// Replace returns text with each sentinel replaced by the value of its variable. A sentinel of a variable that is not set
// stays. A name goes as far as capitals, digits and "_" go.
func Replace(text []byte, vars map[string]string) []byte {
	return pattern.ReplaceAllFunc(text, func(match []byte) []byte {
		name := strings.TrimPrefix(string(match), "STACK_ENV_VAR_SENTINEL_")
		if value, set := vars[name]; set {
			return []byte(value)
		}
		return match
	})
}

// Render makes target a filled copy of source and reports whether it had to: a target whose marker shows the same source
// and values is left alone. The copy is built beside target and renamed.
func Render(source, target string, vars map[string]string) (bool, error) {
	want, err := digest(source, vars)
	if err != nil {
		return false, fmt.Errorf("sentinel: %w", err)
	}
	if have, err := os.ReadFile(filepath.Join(target, Marker)); err == nil && string(have) == want {
		return false, nil
	}
	fresh := target + ".new"
	if err := errors.Join(os.RemoveAll(fresh), fill(source, fresh, vars)); err != nil {
		return false, fmt.Errorf("sentinel: %w", err)
	}
	err = os.WriteFile(filepath.Join(fresh, Marker), []byte(want), 0o644)
	if err = errors.Join(err, os.RemoveAll(target)); err == nil {
		err = os.Rename(fresh, target)
	}
	if err != nil {
		return false, fmt.Errorf("sentinel: %w", err)
	}
	return true, nil
}

func fill(source, target string, vars map[string]string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, relative)
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, Replace(text, vars), 0o644)
	})
}

// digest covers what decides the result: each file's name and content, and the values that its sentinels stand for.
func digest(source string, vars map[string]string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		filled := sha256.Sum256(Replace(text, vars))
		fmt.Fprintf(sum, "%q %x\n", strings.TrimPrefix(path, source), filled)
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}
