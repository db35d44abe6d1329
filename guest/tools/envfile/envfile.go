// Package envfile reads and writes environment files: one KEY=value per line.
//
// The format is that of `docker run --env-file`: a value is everything after the first "=", taken as it is, without
// quotes, escapes or expansion. A value therefore can hold no line break, and this package promises that none gets
// in: what [Parse] returns and what [Format] writes is the same set of keys and values, whoever chose them.
package envfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stackemu/stackemu/guest/tools/private"
)

// maxFile is the size in bytes above which a file is refused: far more than any real environment, far less than what
// would hurt a guest that parses a damaged disk.
const maxFile = 1 << 20

// ErrSyntax is wrapped by every error about the content of a file.
var ErrSyntax = errors.New("not an environment file")

// Vars is a set of variables. The zero value is empty and may be read.
type Vars map[string]string

// Parse reads the lines of data. Empty lines and lines that start with "#" are skipped; of a key that occurs twice the
// last value counts. A line end may be LF or CR LF.
func Parse(data []byte) (Vars, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrSyntax, len(data), maxFile)
	}
	vars := Vars{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		if trimmed := strings.TrimSpace(text); trimmed == "" || strings.HasPrefix(trimmed, "#") {
			continue
		}
		key, value, found := strings.Cut(text, "=")
		if !found {
			return nil, fmt.Errorf("%w: line %d has no \"=\"", ErrSyntax, n)
		}
		if err := Check(key, value); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		vars[key] = value
	}
	return vars, nil
}

// Check says whether key and value can be one line of an environment file. The error does not quote the value, which
// may be a secret.
func Check(key, value string) error {
	if !validKey(key) {
		return fmt.Errorf("%w: bad key %.64q (letters, digits and \"_\", no digit first)", ErrSyntax, key)
	}
	if strings.ContainsAny(value, "\n\r\x00") || !utf8.ValidString(value) {
		return fmt.Errorf("%w: the value of %s holds a line break, a NUL or broken UTF-8", ErrSyntax, key)
	}
	return nil
}

func validKey(key string) bool {
	for i, c := range []byte(key) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return key != ""
}

// Format returns the file that holds vars, sorted by key, or an error when a key or value cannot be in one.
func (vars Vars) Format() ([]byte, error) {
	var out bytes.Buffer
	for _, key := range vars.Keys() {
		if err := Check(key, vars[key]); err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%s=%s\n", key, vars[key])
	}
	return out.Bytes(), nil
}

// Keys returns the keys, sorted.
func (vars Vars) Keys() []string {
	keys := make([]string, 0, len(vars))
	for key := range vars {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Merge copies all of other over vars.
func (vars Vars) Merge(other Vars) {
	for key, value := range other {
		vars[key] = value
	}
}

// Environ returns vars as the KEY=value strings that os/exec takes, sorted by key.
func (vars Vars) Environ() []string {
	list := make([]string, 0, len(vars))
	for _, key := range vars.Keys() {
		list = append(list, key+"="+vars[key])
	}
	return list
}

// FromEnviron is the inverse of [Vars.Environ]; entries without a key are dropped.
func FromEnviron(environ []string) Vars {
	vars := Vars{}
	for _, entry := range environ {
		if key, value, found := strings.Cut(entry, "="); found && key != "" {
			vars[key] = value
		}
	}
	return vars
}

// Read parses the file at path.
func Read(path string) (Vars, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	vars, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return vars, nil
}

// ReadIfExists is [Read], with an absent file read as an empty one.
func ReadIfExists(path string) (Vars, error) {
	vars, err := Read(path)
	if errors.Is(err, os.ErrNotExist) {
		return Vars{}, nil
	}
	return vars, err
}

// Write puts vars at path with mode 0600, by rename: a reader sees the old file or the new one, never a part.
func (vars Vars) Write(path string) error {
	data, err := vars.Format()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return private.Write(path, data)
}
