package config

import (
	"errors"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// Whatever stands in a file: it is read without a panic, every problem has a line of the file, and what is taken is allowed.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "ram: 4G\ncpus: 2\n", "ports:\n  dashboard: 3000\n", "mounts: [., 'sub:ro']\n", "rotation: false\n", "ram: &x 1\ncpus: *x\n", "? [a]\n: b\n",
		"profiles:\n  a:\n    services:\n      - {name: a, guest_port: 1, codes: [200]}\n    rotation: {command: [/r], secrets: [A]}\n",
		"{", "- a", "%YAML 1.2\n---\n", "a: !!int x\n", "name: !!binary aGk=\n", "\ufeffram: 512", "---\n---\n", "<<: {ram: 512}\n", "a: \"\\x00\"\n", "ram: |\n  4G\n",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, project bool) {
		read := parse("/p/stackemu.yaml", project, "/home/u", text)
		for _, err := range read.Problems {
			var at *FileError
			if !errors.As(err, &at) || at.Line < 1 || at.Line > lineAt(text, len(text)) || at.Err.Error() == "" {
				t.Errorf("%q: a problem without a line: %#v", text, err)
			}
			if !utf8.ValidString(err.Error()) {
				t.Errorf("%q: %q is no text", text, err)
			}
		}
		for key, v := range read.values {
			s := byKey[key]
			if project && s.userOnly != "" {
				t.Errorf("%q: %s was taken from a project", text, key)
			}
			for _, text := range v.texts {
				if !s.is(text) {
					t.Errorf("%s: %q was taken", key, text)
				}
				if project && s.list && !inside("/p", readMount(text).Dir) {
					t.Errorf("%s: %q leads out of the project", key, text)
				}
				if s.locate != nil && !filepath.IsAbs(readMount(text).Dir) {
					t.Errorf("%s: %q is not absolute", key, text)
				}
			}
		}
		for _, d := range read.profiles {
			if len(d.table.Services) == 0 || len(d.variables) != len(d.table.Services) {
				t.Errorf("%q: %+v", text, d)
			}
		}
	})
}
