package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/snapshot"
)

// kind is how values of a type are written, the same in variables, flags and files.
type kind[T any] struct {
	allowed string // in words
	parse   func(text string) (T, bool)
	show    func(T) string
	tags    []string       // what it may be in YAML
	schema  map[string]any // the same in JSON schema
}

// The short tags of YAML's scalars.
const (
	yamlText   = "!!str"
	yamlNumber = "!!int"
	yamlSwitch = "!!bool"
)

func numbers(low, high int) kind[int] {
	return kind[int]{
		allowed: fmt.Sprintf("a whole number from %d to %d", low, high),
		parse:   func(text string) (int, bool) { return parseNumber(text, low, high) },
		show:    strconv.Itoa,
		tags:    []string{yamlNumber},
		schema:  map[string]any{"type": "integer", "minimum": low, "maximum": high},
	}
}

var mebibytes = kind[int]{
	allowed: fmt.Sprintf("a whole number of MiB from %d to %d, or of GiB with a G (4G)", minRAMMiB, maxRAMMiB),
	parse:   func(text string) (int, bool) { return parseMebibytes(text, minRAMMiB, maxRAMMiB) },
	show:    strconv.Itoa,
	tags:    []string{yamlNumber, yamlText},
	schema: anyOf(map[string]any{"type": "integer", "minimum": minRAMMiB, "maximum": maxRAMMiB},
		map[string]any{"type": "string", "pattern": "^[0-9]+[MmGg]?$"}),
}

// maxWait bounds timeouts, so that sums of them cannot overflow.
const maxWait = 24 * time.Hour

var waits = kind[time.Duration]{
	allowed: "a whole number of seconds from 1 to 86400, or a time such as 90s or 4m",
	parse:   parseSeconds,
	show:    time.Duration.String,
	tags:    []string{yamlNumber, yamlText},
	schema: anyOf(map[string]any{"type": "integer", "minimum": 1, "maximum": int(maxWait / time.Second)},
		map[string]any{"type": "string", "pattern": "^([0-9]+|([0-9]+(\\.[0-9]*)?(ms|s|m|h))+)$"}),
}

var switches = kind[bool]{
	allowed: "1, true, yes, on; 0, false, no, off",
	parse:   parseSwitch,
	show:    strconv.FormatBool,
	tags:    []string{yamlSwitch},
	schema:  map[string]any{"type": "boolean"},
}

var architectures = kind[string]{
	allowed: "amd64 (or x86_64), arm64 (or aarch64)",
	parse: func(text string) (string, bool) {
		switch text {
		case "amd64", "x86_64":
			return "amd64", true
		case "arm64", "aarch64":
			return "arm64", true
		}
		return "", false
	},
	show:   plain,
	tags:   []string{yamlText},
	schema: map[string]any{"enum": []string{"amd64", "arm64", "x86_64", "aarch64"}},
}

var formats = kind[snapshot.Format]{
	allowed: string(snapshot.Lazy + ", " + snapshot.MappedRAM),
	parse: func(text string) (snapshot.Format, bool) {
		f := snapshot.Format(text)
		return f, f == snapshot.Lazy || f == snapshot.MappedRAM
	},
	show:   func(f snapshot.Format) string { return string(f) },
	tags:   []string{yamlText},
	schema: map[string]any{"enum": []snapshot.Format{snapshot.Lazy, snapshot.MappedRAM}},
}

// paths are absolute when they are parsed: what they are relative to depends on where they are written.
var paths = kind[string]{
	allowed: "the path of a folder",
	parse:   func(text string) (string, bool) { return text, text != "" && !strings.ContainsRune(text, 0) },
	show:    plain,
	tags:    []string{yamlText},
	schema:  map[string]any{"type": "string", "minLength": 1},
}

// AutoName is the name that stands for the one of the git worktree.
const AutoName = "auto"

var instances = kind[string]{
	allowed: "1 to 32 of a-z, 0-9 and -, not beginning with -; or auto, for a name that is made of the git worktree",
	parse:   func(text string) (string, bool) { return text, text == AutoName || home.CheckName(text) == nil },
	show:    plain,
	tags:    []string{yamlText},
	schema:  map[string]any{"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,31}$", "not": map[string]any{"const": "vm"}},
}

func texts(allowed, pattern string) kind[string] {
	form := regexp.MustCompile(pattern)
	return kind[string]{
		allowed: allowed,
		parse:   func(text string) (string, bool) { return text, form.MatchString(text) },
		show:    plain,
		tags:    []string{yamlText},
		schema:  map[string]any{"type": "string", "pattern": pattern},
	}
}

func plain(text string) string { return text }

// anyOf is a schema of several forms. JSON schema has no shorter way.
func anyOf(all ...map[string]any) map[string]any { return map[string]any{"anyOf": all} }

// access is a kind at a place in a [Config], with the type gone.
type access struct {
	allowed string
	tags    []string
	schema  map[string]any
	is      func(text string) bool
	put     func(c *Config, texts []string) // which are allowed
	show    func(c *Config) string
	locate  func(text, base string) string // what it means at another place; nil for what means the same everywhere
}

func at[T any](k kind[T], field func(*Config) *T) access {
	return access{
		allowed: k.allowed, tags: k.tags, schema: k.schema,
		is: func(text string) bool { _, ok := k.parse(text); return ok },
		put: func(c *Config, texts []string) {
			value, ok := k.parse(texts[0])
			if ok {
				*field(c) = value
			}
		},
		show: func(c *Config) string { return k.show(*field(c)) },
	}
}

// unless is a switch that is on where the field is off.
func unless(field func(*Config) *bool) access {
	a := at(switches, field)
	put := a.put
	a.put = func(c *Config, texts []string) { put(c, []string{opposite(texts[0])}) }
	a.show = func(c *Config) string { return strconv.FormatBool(!*field(c)) }
	return a
}

// opposite is the opposite of a switch. What is none stays as it is.
func opposite(text string) string {
	if on, ok := parseSwitch(text); ok {
		return strconv.FormatBool(!on)
	}
	return text
}

// port is a host port that may be given. Shown is what the default instance has, given or not.
func port(given, shown func(*Config) *int) access {
	a := at(numbers(1, 65535), given)
	a.show = func(c *Config) string { return strconv.Itoa(*shown(c)) }
	return a
}

// folder is a path that may be relative to where it is written.
func folder(field func(*Config) *string) access {
	a := at(paths, field)
	a.locate = absolute
	return a
}

// absolute is a path as it is meant in a folder.
func absolute(path, base string) string {
	if path == "" || filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}
