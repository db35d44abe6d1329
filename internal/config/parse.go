package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/stackemu/stackemu/internal/suggest"
)

// This file reads what stands in a file. Every problem names its line, and the rest of the file is read all the same, so that
// all problems are told at once.

// parse reads the text of a file. user is the home directory, "" if there is none.
func parse(path string, project bool, user string, text []byte) *File {
	f := &File{Path: path, Project: project, user: user, values: map[string]value{}}
	root, line, err := document(text)
	if err != nil {
		f.problem(line, err)
		return f
	}
	if root != nil {
		f.settings(root, "")
	}
	return f
}

func (f *File) problem(line int, err error) {
	f.Problems = append(f.Problems, &FileError{Path: f.Path, Line: line, Err: err})
}

func (f *File) problemf(at *yaml.Node, format string, args ...any) {
	f.problem(at.Line, fmt.Errorf(format, args...))
}

// document is the one document in a text, nil for an empty one. The line is that of the error.
func document(text []byte) (root *yaml.Node, line int, err error) {
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	if at := badText(text); at >= 0 {
		return nil, lineAt(text, at), errors.New("has a character that is no text, or is not in UTF-8")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, 0, nil
	} else if err != nil {
		line, err := syntaxError(text, err)
		return nil, line, err
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, more.Line, errors.New("there is a second document (after ---): only one is read")
	} else if !errors.Is(err, io.EOF) {
		line, err := syntaxError(text, err)
		return nil, line, err
	}
	return doc.Content[0], 0, nil
}

// badText is where a text has something that is not for people to read, or breaks a line for YAML and for nobody else; -1 if it
// has none.
func badText(text []byte) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size <= 1 || unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u2028' || r == '\u2029' {
			return at
		}
		at += size
	}
	return -1
}

func lineAt(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

var (
	syntaxForm = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)
	anchorForm = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxError takes the line out of the library's words. It names none for the first line, nor for an alias to nothing.
func syntaxError(text []byte, err error) (line int, _ error) {
	parts := syntaxForm.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if parts == nil {
		return 1, err
	}
	if line, _ = strconv.Atoi(parts[1]); line == 0 {
		line = 1
	}
	if alias := anchorForm.FindStringSubmatch(parts[2]); alias != nil {
		return lineAt(text, max(0, bytes.Index(text, []byte("*"+alias[1])))), errNoAlias
	}
	return min(line, lineAt(text, len(text))), fmt.Errorf("is not YAML: %s", parts[2])
}

var errNoAlias = errors.New("aliases (*name) are not supported: write it again")

// pairs are the keys of a map and what belongs to them. Keys that are there twice, and what is no map, are problems. what is
// the map in words.
func (f *File) pairs(n *yaml.Node, what string, each func(key string, k, v *yaml.Node)) {
	switch {
	case isNothing(n):
		return // everything in it is commented out
	case n.Kind != yaml.MappingNode:
		f.problemf(n, "%s is %s; allowed: a map (key: value)", what, wordFor(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		before, twice := seen[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode:
			f.problemf(k, "%s has %s as a key; allowed: text", what, wordFor(k))
		case twice:
			f.problemf(k, "%s is there twice: first in line %d", k.Value, before)
		case v.Kind == yaml.AliasNode:
			f.problem(v.Line, errNoAlias)
		default:
			seen[k.Value] = k.Line
			each(k.Value, k, v)
		}
	}
}

// settings reads a map of settings: the whole file, or a group in it.
func (f *File) settings(n *yaml.Node, prefix string) {
	what := strings.TrimSuffix(prefix, ".")
	if what == "" {
		what = "the file"
	}
	f.pairs(n, what, func(key string, k, v *yaml.Node) {
		key = prefix + key
		s := byKey[key]
		switch {
		case key == profilesKey:
			f.readProfiles(v)
		case groups[key]:
			f.settings(v, key+".")
		case s == nil:
			f.problemf(k, "there is no setting %q%s", key, meant(key))
		case f.Project && s.userOnly != "":
			f.problemf(k, "%s cannot be set by a project's file, because %s: %s", key, s.userOnly, elsewhere(s))
		case s.list:
			f.list(s, k, v)
		default:
			f.scalar(s, k, v)
		}
	})
}

// meant is a question about the key that is nearest to a wrong one.
func meant(key string) string {
	all := []string{profilesKey}
	for n := range settings {
		s := &settings[n]
		if slices.Contains(s.variables, key) || lastPart(s.key) == lastPart(key) {
			return question(s.key)
		}
		all = append(all, s.key)
	}
	for group := range groups {
		all = append(all, group)
	}
	slices.Sort(all)
	return question(suggest.Nearest(key, all))
}

// question is one about a word that may have been meant; empty for none.
func question(word string) string {
	if word == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", word)
}

func listed(names []string) string { return strings.Join(names, ", ") }

func lastPart(key string) string { return key[strings.LastIndex(key, ".")+1:] }

// elsewhere is where else a setting can be given.
func elsewhere(s *setting) string {
	words := "set it in your own file"
	for _, name := range s.variables {
		words += ", or with " + name
	}
	if s.flag != "" {
		words += ", or with " + s.flag
	}
	return words
}

func (f *File) scalar(s *setting, k, v *yaml.Node) {
	if text, ok := f.text(s.key, v, s.allowedInFile(), s.tags...); ok && f.allowed(s, v, text) {
		f.values[s.key] = value{k.Line, []string{f.located(s, text)}}
	}
}

func (f *File) list(s *setting, k, v *yaml.Node) {
	if n := len(v.Content); n > MaxMounts {
		f.problemf(v, "%s has %d items; allowed: %d at most", s.key, n, MaxMounts)
		return
	}
	all := value{line: k.Line}
	sound := f.items(s.key, v, func(n int, item *yaml.Node) {
		text, ok := f.text(fmt.Sprintf("%s[%d]", s.key, n), item, s.allowedInFile(), s.tags...)
		if !ok || !f.allowed(s, item, text) {
			return
		}
		text = f.located(s, text)
		if dir := filepath.Dir(f.Path); f.Project && !inside(dir, readMount(text).Dir) {
			f.problemf(item, "%s=%q is not allowed; allowed: a folder in %s: give others with %s", s.key, item.Value, dir, s.flag)
			return
		}
		all.texts = append(all.texts, text)
	})
	if sound && len(all.texts) > 0 {
		f.values[s.key] = all
	}
}

// items are those of a list.
func (f *File) items(what string, n *yaml.Node, each func(n int, item *yaml.Node)) (sound bool) {
	switch {
	case isNothing(n):
		return false
	case n.Kind != yaml.SequenceNode:
		f.problemf(n, "%s is %s; allowed: a list ([a, b], or lines that begin with -)", what, wordFor(n))
		return false
	}
	for i, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			f.problem(item.Line, errNoAlias)
			continue
		}
		each(i, item)
	}
	return true
}

// allowedInFile is what a value may be, in words, without what only variables know.
func (s *setting) allowedInFile() string {
	if slices.Equal(s.tags, []string{yamlSwitch}) {
		return "true, false"
	}
	return s.allowed
}

// text is the text of a scalar that has one of these types.
func (f *File) text(what string, n *yaml.Node, allowed string, tags ...string) (string, bool) {
	switch tag := n.ShortTag(); {
	case n.Kind != yaml.ScalarNode || isNothing(n):
		f.problemf(n, "%s is %s; allowed: %s", what, wordFor(n), allowed)
	case slices.Contains(tags, tag):
		return n.Value, true
	case slices.Contains(tags, yamlText):
		f.problemf(n, "%s is %s; allowed: %s, in quotes", what, wordFor(n), allowed)
	default:
		f.problem(n.Line, &ValueError{Variable: what, Value: n.Value, Allowed: allowed})
	}
	return "", false
}

func (f *File) allowed(s *setting, n *yaml.Node, text string) bool {
	if s.is(text) {
		return true
	}
	f.problem(n.Line, &ValueError{Variable: s.key, Value: text, Allowed: s.allowedInFile()})
	return false
}

// located is a text as it is meant in the file's folder. ~ is the home directory.
func (f *File) located(s *setting, text string) string {
	if s.locate == nil {
		return text
	}
	if rest, ok := strings.CutPrefix(text, "~/"); ok && f.user != "" {
		text = filepath.Join(f.user, rest)
	}
	return s.locate(text, filepath.Dir(f.Path))
}

func isNothing(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// wordFor is what a node is, in words.
func wordFor(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case yamlNumber, "!!float":
		return "a number (" + n.Value + ")"
	case yamlSwitch:
		return "a switch (" + n.Value + ")"
	case yamlText:
		return "text (" + strconv.Quote(n.Value) + ")"
	}
	return "of the type " + n.ShortTag()
}
